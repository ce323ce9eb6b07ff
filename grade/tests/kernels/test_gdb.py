"""Rung's gdb commands, and what a panic says, where the tables in use do not show the kernel."""

from __future__ import annotations

import re
import subprocess
from typing import Any

from grade import toolchain
from grade.build import build
from grade.lab import Lab
from grade.lab4.puppet import puppet
from grade.machine import Machine, layout, paging
from grade.machine.calls import Place
from grade.machine.handover import HandOver
from grade.tests import HANGING
from grade.tests.kernels.grading import SEED, worker
from grade.tree import ROOT, lab_directory

COMMANDS = ROOT / "common/gdb/rung.py"
FOUND = re.compile(r"^physical 0x([0-9a-f]+), in a page of (\w+ \w+)$", re.M)
USED = paging.ACCESSED | paging.DIRTY
SIZES = {"4 KiB": 1 << 12, "2 MiB": 1 << 21, "1 GiB": 1 << 30}


def reference(number: int) -> Lab:
    directory = lab_directory(ROOT, number)
    return Lab(ROOT, directory, build(directory, worker("gdb") / f"lab{number}"), SEED)


def stopped(lab: Lab, place: Place, **options: Any) -> HandOver:
    """The kernel at a place, for gdb."""
    machine: Machine = lab.boot(debug_at=place, **options)
    try:
        with machine:
            machine.run_to_exit()
    except HandOver as stop:
        return stop
    raise AssertionError(f"{place} is never reached")


def gdb(stop: HandOver, *commands: str) -> list[str]:
    """What each command prints."""
    words = [toolchain.gdb(), "-batch", "-nx", "-ex", f"source {COMMANDS}",
             "-ex", f"target remote {stop.gdb_path}"]
    for command in commands:
        words += ["-ex", "echo \\n====\\n", "-ex", command]
    words += ["-ex", "echo \\n====\\n", "-ex", "kill", str(stop.kernel)]
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=HANGING)
    return [each.strip() for each in done.stdout.split("\n====\n")[1:-1]]


def check_walk(stop: HandOver, said: str, root: int, va: int) -> None:
    """gdb and the grader see the same."""
    found = paging.walk(stop.machine.phys, root, va)
    shown = FOUND.search(said)
    if not found:
        assert said.endswith("not mapped"), said
    else:
        assert shown and (int(shown[1], 16), SIZES[shown[2]]) == (found.pa, found.size), said
    levels = re.findall(r"^L(\d)\[ *\d+\] at 0x[0-9a-f]+: 0x([0-9a-f]{16}) ", said, re.M)
    entries = paging.path(stop.machine.phys, root, va)  # later, so A and D may be set
    assert [(int(level), int(entry, 16) & ~USED) for level, entry in levels] == [
        (each.level, each.value & ~USED) for each in entries], said


def test_at_the_first_line_of_c() -> None:
    """The window is there, but who knows that yet."""
    stop = stopped(reference(1), "kmain")
    try:
        root, code, window = gdb(stop, "p/x $cr3", "rung-walk $rip",
                                 "rung-walk 0xffff800000100000")
        cr3 = int(root.split("=")[1], 16)
        check_walk(stop, code, cr3, stop.machine.sym("kmain"))
        check_walk(stop, window, cr3, 0xFFFF_8000_0010_0000)
    finally:
        stop.end()


def test_on_the_shadow_table() -> None:
    """Lab 6, in ring 3 and at the first instruction of SYSCALL's way in."""
    lab = reference(6)
    program = puppet(lab.rng)
    stop = stopped(lab, program.entry, cmdline="pti=on",
                   modules=[program.module()])
    code, area = stop.machine.sym("trap"), stop.machine.sym("entry_stubs")
    walks = ["p/x $cr3", f"rung-walk {code:#x}", f"rung-walk {code:#x} $cr3-0x1000",
             f"rung-walk {area:#x}", "rung-walk $rip", "rung-idt 14", "rung-idt 2",
             "rung-idt 256", "rung-walk 0 1 2"]
    try:
        said = gdb(stop, *walks, f"set $rip = {program.syscall:#x}", "break *entry_syscall",
                   "continue", *walks)
    finally:
        stop.end()
    syscall = stop.machine.sym("entry_syscall")
    for rip, each in ((program.entry, said[:9]), (syscall, said[12:])):
        shadow, hidden, shown, stubs, here, fault, nmi, none, usage = each
        root = int(shadow.split("=")[1], 16)
        assert root & 0x1000
        assert hidden.endswith("not mapped")
        check_walk(stop, hidden, root, code)
        check_walk(stop, shown, root - 0x1000, code)
        check_walk(stop, stubs, root, area)
        check_walk(stop, here, root, rip)
        assert fault.splitlines() == ["entry_stubs + 224 in section .entry_text",
                                      "selector 0x8, IST 0, type 0xe, DPL 0, present"]
        assert nmi.splitlines() == ["entry_stubs + 32 in section .entry_text",
                                    "selector 0x8, IST 2, type 0xe, DPL 0, present"]
        assert none.endswith("IDTR's limit is 0xfff: there is no gate 256")
        assert usage.endswith("usage: rung-walk ADDRESS [ROOT]")


def test_a_trap_frame() -> None:
    """In trap(), also in what is inlined at its first instruction; in the handler; and nowhere."""
    stop = stopped(reference(1), "trap")
    try:
        frame, same, _, _, handlers, _, _, none = gdb(
            stop, "rung-trap", "rung-trap $rdi", "tbreak report_and_go_on", "continue", "rung-trap",
            "tbreak kernel_ready", "continue", "rung-trap")
    finally:
        stop.end()
    fields = dict(line.split()[:2] for line in frame.splitlines())
    assert len(fields) == 22 and same == handlers == frame
    assert [int(fields[name], 16) for name in ("vector", "cs", "ss")] == [3, 8, 16]
    assert none.endswith("no function here has a frame: rung-trap ADDRESS")


def test_a_panic_in_the_entry_area_is_named() -> None:
    """Also in code that is linked apart from the kernel's."""
    lab = reference(6)
    with lab.boot(cmdline="pti=on") as machine:
        machine.run_to("entry_leave")
        machine.memory.poke_code(machine.sym("entry_leave") + 2, b"\x0f\x0b")  # ud2
        machine.set_regs(rip=machine.sym("entry_leave") + 2)
        machine.run_to_exit(layout.EXIT_PANIC)
        machine.console.expect_in_order([re.compile(r"PANIC: #UD .*"),
                                         re.compile(r"  \[<ffffffffffff1[0-9a-f]{3}>\] "
                                                    r"entry_leave\+0x2")])


def test_processes_and_what_they_share() -> None:
    """Lab 6, where a page is about to be copied: who there is, what is shared, which stack, which
    tables; and the way out, with a selector that the processor will refuse."""
    stop = stopped(reference(6), "copy_on_write", cmdline="pti=on")
    try:
        listed, shared, state, pair, *_, steps, good, _, bad, walk, _ = gdb(
            stop, "rung-ps", "rung-cow $rsi", "rung-state", "rung-shadow", "tbreak *entry_leave",
            "continue", "rung-step 13", "rung-iretq", "set *(long *)($rsp + 8) = 0x30",
            "rung-iretq", "rung-walk trap", "kill")
    finally:
        stop.end()
    running = [line for line in listed.splitlines()[1:] if line.startswith("*")]
    assert len(running) == 1 and running[0].split()[2] == "running", listed
    assert shared.count("COW: copied at a write") == 2 and shared.endswith("the first: 1"), shared
    assert re.search(r"^tables +CR3 0x[0-9a-f]+: pid \d+$", state, re.M), state
    assert "SYSRET: CS 0x33, SS 0x2b" in state and re.search(r"SFMASK +clears .*IF", state), state
    assert re.search(r"window +0x[0-9a-f]+ rwx +-$", pair, re.M), pair
    last = steps.splitlines()[-1]
    assert last.split()[:6] == ["0", "off", "program", "pid", last.split()[4], "shadow"], steps
    assert "iretq" in last and " entry " in last, steps
    for text in (listed, shared, state, pair, steps, good, bad):
        assert not [line for line in text.splitlines() if len(line) > 80], text
    assert "#GP: CS 0x30 asks for ring 0, and its descriptor has DPL 3" in bad
    assert "IRETQ will take them." in good and "user code), to ring 3" in good
    assert re.search(r"^L4\[511\]", walk, re.M) and "Python" not in walk
