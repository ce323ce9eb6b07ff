"""Programs run by a kernel, and what became of them.

What they write lies between the kernel's own lines, on the same serial port. These are known by the
programs' names, which nobody can guess. (To stop the machine where each program begins and ends
instead takes ten times as long.) Labs 3 and 4 run one module after the other, and say how each
ended. Labs 5 and 6 have processes: the first one (warden.py) runs the others, and is asked."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from grade.lab import Lab
from grade.machine import layout
from grade.machine.frames import count_free
from grade.machine.machine import Limits, Machine, Module
from grade.outcome import Failure, Outcome
from grade.programs.suite import Fate, Run
from grade.programs.warden import Warden

WITH_PROCESSES = 5
NOT_STARTED = Fate(b"", "not started")
LIMITS = Limits(cpu=120.0, exceptions=1 << 20, flood=1 << 24)
START = re.compile(r"\[USERMODE\] Entering Ring 3: entry=\w+ stack=\w+\n")
# What the kernel may say before the end: of an exception, and on its way back.
REPORT = r"process {name}: .*\n(?:  the address was \w+\n)?|\[BOOT_RETURN ENTRY\]\n"
END = (r"process (?:\d+ )?{name}: "
       r"(?:exited with status (\d+)|ended by signal (\d+)|cannot be started: .*)\n")


def fates(lab: Lab, runs: Iterable[Run], *, int80: bool = False, **options: Any) -> list[Fate]:
    """What becomes of each run: in lab 3 each has a boot of its own, later they share one. A
    kernel that does not survive them all, or keeps a frame, is a Failure."""
    wanted = list(runs)
    if lab.number >= WITH_PROCESSES:
        return with_warden(lab, wanted, int80, options)
    boots = [[run] for run in wanted] if lab.number == 3 else [wanted]
    return [fate for boot in boots for fate in in_one_boot(lab, boot, int80, options)]


def in_one_boot(lab: Lab, runs: Sequence[Run], int80: bool, options: dict[str, Any]) -> list[Fate]:
    names = [f"{run.name}.{lab.rng.getrandbits(32):x}" for run in runs]
    modules = [Module((run.int80 if int80 else run.elf).read_bytes(),
                      " ".join((name, *run.arguments))) for name, run in zip(names, runs)]
    with lab.boot(probe=True, modules=modules, limits=LIMITS, **options) as machine:
        try:
            run_all(machine, layout.EXIT_OK)
            return list(read(machine.console.text, names))
        except Failure as failure:
            failure.details.insert(0, whose_turn(runs, names, machine.console.text))
            raise


def with_warden(lab: Lab, runs: Sequence[Run], int80: bool, options: dict[str, Any]) -> list[Fate]:
    """The programs as children of one process, in one boot."""
    warden = Warden(runs, lab.rng, int80)
    with lab.boot(probe=True, modules=warden.modules, limits=LIMITS, **options) as machine:
        machine.on(warden.all_have_ended, lambda: warden.look(machine.memory.read))
        try:
            run_all(machine, layout.EXIT_OK)
        except Failure as failure:
            failure.details.insert(0, warden.whose_turn(machine.console.text))
            raise
        return [Fate(without_reports(text, warden.name(run)), end)
                for run, text, end in warden.seen(machine.console.text)]


def run_all(machine: Machine, expected: int) -> None:
    """From before the first program to the kernel's regular end, with the frames counted."""
    machine.run_to("kernel_ready")
    before = count_free(machine)
    while machine.run_to("machine_exit") and machine.regs.cpl == 3:
        pass  # a program tried to jump there
    after = count_free(machine)
    machine.run_to_exit(expected)
    if after != before:
        raise Failure(Outcome.WRONG, f"{before} frames were free before, and {after} are after",
                      "a program's frames are free again when it has ended")


def read(text: str, names: Sequence[str]) -> Iterator[Fate]:
    """The fates of programs that ran in this order."""
    position = 0
    for name in names:
        end = ending(name).search(text, position)
        if not end:
            raise Failure(Outcome.WRONG, f"the kernel tells of no end of {name}",
                          "a line for every program that ends")
        status, number = end.groups()
        yield (Fate(output(text[position:end.start()], name), words(status, number))
               if status or number else NOT_STARTED)
        position = end.end()


def ending(name: str) -> re.Pattern[str]:
    return re.compile(END.format(name=re.escape(name)))


def output(text: str, name: str) -> bytes:
    """Of what was printed before the end of a program, the part that is the program's."""
    *_, own = START.split(text)
    return without_reports(own, name)


def without_reports(text: str, name: str) -> bytes:
    return re.sub(REPORT.format(name=re.escape(name)), "", text).encode()


def words(status: str | None, number: str) -> str:
    """How the kernel says that a program ended, in the words of a Fate."""
    return f"exit {status}" if status else signal.Signals(int(number)).name


def whose_turn(runs: Sequence[Run], names: Sequence[str], text: str) -> str:
    """Which program a kernel that did not survive has died of."""
    for run, name in zip(runs, names):
        if not ending(name).search(text):
            return f"the program was {run.title}"
    return "all programs had ended"
