"""Back in time: from a recording's end to the cause, with a bug of the zoo in labs 2, 4 and 6."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from grade.build import build
from grade.tree import lab_directory
from grade.debug import gdb_command
from grade.lab import Lab
from grade.machine import HandOver, paging
from grade.machine.recording import Recorder, before_the_end, hand_over
from grade.outcome import Failure, Outcome
from grade.tests import HANGING
from grade.tests.kernels.grading import SEED, worker
from tools.bug import BUGS, bug_tree, load_bug

PERCPU_USER_RSP = 8


@contextlib.contextmanager
def recorded(name: str, directory: Path, typed: str = ""
             ) -> Iterator[tuple[Recorder, Failure, HandOver, list[str]]]:
    """A run of the kernel with this bug, its end, and gdb where that is: its command line."""
    bug, tree = load_bug(BUGS / f"{name}.patch"), worker("rewind") / name
    bug_tree(bug, tree)
    source = lab_directory(tree, bug.lab)
    lab = Lab(tree, source, build(source, tree / "build" / source.name), SEED)
    with Recorder(lab.kernel, directory) as recorder:
        if typed:
            threading.Thread(target=answer, args=(recorder, typed), daemon=True).start()
        failure = recorder.record()
    assert failure
    replay, end = before_the_end(recorder)
    stop = hand_over(replay)
    kind = "fault" if failure.outcome == Outcome.TRIPLE_FAULT else "out"
    try:
        yield recorder, failure, stop, [*gdb_command(stop, lab), "-batch", "-ex",
                                        f"rung-rewind {end} {kind}"]
    finally:
        stop.end()


def answer(recorder: Recorder, typed: str) -> None:
    """Type when the shell asks."""
    while not recorder.console.text.endswith("$ "):
        if recorder.session.qemu.exited():
            return
    recorder.session.qemu.type(typed.encode())


TRIES = 8


def again(test: Callable[[Path], None]) -> Callable[[Path], None]:
    """Once more from the recording on, where QEMU has lost its way (common/gdb/machine.py)."""
    @functools.wraps(test)
    def tried(tmp_path: Path) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        for attempt in range(1, TRIES + 1):
            (tmp_path / str(attempt)).mkdir()
            try:
                return test(tmp_path / str(attempt))
            except Lost:
                if attempt == TRIES:
                    raise
    return tried


class Lost(Exception):
    """QEMU has gone on to the end (common/gdb/machine.py): who rewinds starts again."""


def gdb(words: list[str], *commands: str) -> list[str]:
    """What gdb says when it has arrived, and to each command."""
    for command in commands:
        words = [*words, "-ex", "echo \\n====\\n", "-ex", command]
    done = subprocess.run([*words, "-ex", "kill"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=HANGING)
    if "make rewind again" in done.stdout:
        raise Lost
    said = [each.strip() for each in done.stdout.split("\n====\n")]
    assert len(said) == len(commands) + 1, done.stdout
    return said


@again
def test_lab_2_from_a_triple_fault_to_the_entry_that_caused_it(tmp_path: Path) -> None:
    """At the end: the instruction at fault, as the log has it. And the entry of the tables that
    forbids the stack: who wrote it? Forwards it goes to the end, and not beyond."""
    with recorded("lab2-table-rights-of-first-page", tmp_path) as (recorder, failure, stop, words):
        assert failure.outcome == Outcome.TRIPLE_FAULT
        fault = recorder.session.log.chain()[0]
        entries = paging.path(stop.machine.phys, fault.registers["CR3"], fault.sp - 8)
        guilty = next(each for each in entries if not each.value & paging.WRITABLE)
        entry = 0xFFFF_8000_0000_0000 + guilty.pa
        here, rip, writer, _, at_end, refused, again, _, beyond, back = gdb(
            words, "p/x $rip", f"rung-last {entry:#x}", "reverse-stepi", "continue", "continue",
            "p/x $rip", "stepi", "stepi", "reverse-stepi")
    assert "next: call" in here and "Type, to go back" in here
    assert int(rip.split("=")[1], 16) == fault.ip
    assert "ensure_table_present" in writer or "paging.c" in writer, writer
    assert re.search(rf"was {guilty.value & ~0x20:#x}", writer) or \
        f"was {guilty.value:#x}" in writer, writer
    assert "The recording ends with the next instruction: stepi" in at_end + refused
    assert int(again.split("=")[1], 16) != fault.ip
    assert "The recording ends here" in beyond and "closed" not in back


@again
def test_lab_4_from_a_damaged_variable_to_the_pop_that_wrote_it(tmp_path: Path) -> None:
    """boot_return_rsp holds the canary: the instruction that put it there is boot_return.asm's."""
    with recorded("lab4-canary-not-skipped", tmp_path) as (_, failure, _, words):
        assert failure.outcome == Outcome.PANIC
        here, damaged, writer, trace, trap = gdb(
            words, "p/x (long) boot_return_rsp", "rung-last &boot_return_rsp", "rung-step 1",
            "rung-last 0xffff800002000000")
    assert "next: out" in here and "panic" in here
    assert damaged.endswith("= 0xdeadbeefcafebabe")
    assert "was 0xdeadbeefcafebabe" in writer and re.search(r"boot_return\.asm:\d+\): pop ", writer)
    assert "kernel" in trace
    assert "Nobody has written" in trap


@again
def test_lab_6_from_a_double_fault_to_the_way_in_that_kept_the_shadow(tmp_path: Path) -> None:
    """SYSCALL's way in saved the program's RSP, and went on with the program's tables."""
    with recorded("lab6-syscall-keeps-shadow", tmp_path, "hello\n") as (_, failure, _, words):
        assert "#DF" in failure.seen
        area = 0xFFFF_FFFF_FFFF_4000 + PERCPU_USER_RSP
        _, writer, steps, state, processes = gdb(
            words, f"rung-last {area:#x}", "rung-step 3", "rung-state", "rung-ps")
    assert "entry_syscall" in writer and "rsp" in writer
    lines = steps.splitlines()[1:]
    assert len(lines) == 4 and all("shadow" in line and len(line) <= 80 for line in lines), steps
    assert [line.split()[:3] for line in lines] == [["0", "off", "kernel"]] * 4
    assert lines[0].split()[6] == "program" and "program" not in lines[-1]
    assert "shadow" in state and re.search(r"^\*\s+\d+ running", processes, re.M), processes
