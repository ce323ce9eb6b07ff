"""Exercises 4.5 and 4.6: what the system calls do, each compared with Linux's word for it."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from random import Random
from typing import Union

from grade.lab4.copies import HELLO
from grade.lab4.puppet import Guest
from grade.machine import Machine, layout
from grade.machine.frames import count_free
from grade.machine.layout import (EFAULT, EINVAL, EPERM, PAGE, SYS_arch_prctl, SYS_brk,
                                  SYS_clock_gettime, SYS_getpid, SYS_sched_yield, SYS_writev,
                                  USER_END, WINDOW_BASE)
from grade.machine.state import user_base
from grade.outcome import equal, expect
from grade.programs.seen import Seen

SET_GS, SET_FS, GET_FS, GET_GS = 0x1001, 0x1002, 0x1003, 0x1004
BASES = {SET_FS: "fs_base", SET_GS: "gs_base"}
ANSWER = {SET_FS: GET_FS, SET_GS: GET_GS}

PROGRAMS: list[Union[str, "re.Pattern[str]"]] = [
    re.compile(r"BASELINE: status .*, 49 bytes written"), HELLO,
    "process 2 hello: exited with status 0", "stack: 600 KiB deep",
    "heap: 64 KiB that add up to 0", "thread-local storage: 0x1234",
    "process 3 memory: exited with status 0", "crash: reading the kernel's memory",
    re.compile(r"process crash: #PF page fault .*: user read: protection violation"),
    "  the address was ffffffff80101000", "process 4 crash: ended by signal 11",
    re.compile(r"frames: (\d+) free before, \1 after")]

IN_RING_3 = (  # the baseline, the three programs, and the one that the monitor runs
    *("hello-int80 begins", "hello-int80 asks for its end with 0", "hello begins",
      "hello asks for its end with 0", "memory begins", "memory asks for its end with 0",
      "crash begins"),
    "hello begins", "hello asks for its end with 0")


def check_monitor(m: Machine, rng: Random, programs: Path) -> None:
    """Each command, about things of which nobody knows beforehand; and what the programs did."""
    seen = Seen(m, {name: programs / f"{name}.elf"
                    for name in ("hello-int80", "hello", "memory", "crash")})
    m.run_to("monitor")
    words = ["".join(rng.choices("abcdefgh", k=6)) for _ in range(4)]
    address = m.sym("text_start") + rng.randrange(8 * PAGE)
    beyond = layout.KERNEL_STACKS_BASE + rng.randrange(1 << 20) * PAGE + (1 << 38)
    m.type(f"help\nprograms\nrun hello {words[0]} {words[1]}\nrun {words[2]}\nframes\n"
           f"map {address:#x}\nmap {beyond:#x}\nregs\n{words[3]}\nexit\n")
    free, found, regs = count_free(m), m.memory.walk(address), m.regs
    m.run_to_exit(layout.EXIT_OK)
    seen.check(*IN_RING_3)
    place = f"is at {found.pa:x}, entry .* of level {found.leaf.level}" if found else ": .*"
    m.console.expect_in_order([
        *PROGRAMS, "> help", re.compile("  programs  .*"), re.compile("  exit  .*"), "> programs",
        re.compile(r"  hello +\d+ bytes"), re.compile(r"  memory +\d+ bytes"),
        re.compile(r"  crash +\d+ bytes"), f"> run hello {words[0]} {words[1]}", HELLO,
        f"argument: {words[0]}", f"argument: {words[1]}", "process 5 hello: exited with status 0",
        f"> run {words[2]}", f"there is no program {words[2]}; `programs` lists them", "> frames",
        re.compile(rf"{free} of \d+ frames free"), f"> map {address:#x}",
        re.compile(f"{address:x} ?{place}"), f"> map {beyond:#x}", re.compile(f"{beyond:x}: .*"),
        "> regs", re.compile(f"cr0 {regs.cr0:016x}  cr3 {regs.cr3:016x}  cr4 {regs.cr4:016x}  .*"),
        re.compile(r"star 0*230008[0-9a-f]{8}  .*"),
        re.compile(f"fs .*  gs {m.sym('percpu'):016x}  other gs .*"), f"> {words[3]}",
        "no such command; `help` lists them", "> exit", "Rung lab 4: done"])


def check_all(guest: Guest) -> None:
    """The given system calls, by SYSCALL."""
    equal(guest.ask(SYS_getpid), 1, "getpid(), in the first program,")
    equal(guest.ask(SYS_sched_yield), 0, "sched_yield()")
    clock(guest)
    heap(guest)
    vectors(guest)


def clock(guest: Guest) -> None:
    m, at = guest.m, guest.program.data
    equal(guest.ask(SYS_clock_gettime, 1, at), 0, "clock_gettime(CLOCK_MONOTONIC)")
    seconds, nanoseconds = struct.unpack("<qq", m.memory.read(at, 16))
    expect(0 <= seconds < 1000 and 0 <= nanoseconds < 10**9,
           f"clock_gettime says {seconds} s and {nanoseconds} ns", "the time since the start")
    equal(guest.ask(SYS_clock_gettime, 77, at), -EINVAL, "clock_gettime of clock 77")
    equal(guest.ask(SYS_clock_gettime, 1, USER_END - 8), -EFAULT, "clock_gettime to USER_END - 8")


def heap(guest: Guest) -> None:
    """brk: grow, use, shrink, and what it refuses."""
    m = guest.m
    start = guest.ask(SYS_brk, 0)
    wanted = start + guest.rng.randrange(1, 5 * PAGE)
    equal(guest.ask(SYS_brk, wanted), wanted, "brk")
    found = m.memory.walk((wanted - 1) & -PAGE)
    expect(found and found.user and found.writable and not found.executable,
           "the heap's last page is not the program's to use", "mapped: user, writable, not code")
    equal(m.memory.read(start, wanted - start).strip(b"\0"), b"", "what is in a new heap")
    for refused in (USER_END, 1 << 63, start - 1, layout.USER_STACK_LIMIT):
        equal(guest.ask(SYS_brk, refused), wanted, f"brk({refused:#x}), which cannot be,")
    equal(guest.ask(SYS_brk, start), start, "brk, back to the beginning")
    equal(m.memory.walk(start), None, "what is mapped where the heap was")


def vectors(guest: Guest) -> None:
    """writev: two pieces, and what comes of a bad one."""
    m, at = guest.m, guest.program.data
    m.memory.write(at, struct.pack("<6Q", at + 0x100, 3, at + 0x200, 4, 8, 9) + bytes(0x100))
    m.memory.write(at + 0x100, b"abc")
    m.memory.write(at + 0x200, b"defg")
    before = len(m.console.text)
    equal(guest.ask(SYS_writev, 1, at, 2), 7, "writev of 3 and 4 bytes")
    equal(guest.ask(SYS_writev, 1, at, 3), 7, "writev of 3, 4 and 9 bytes, the last not readable,")
    equal(guest.ask(SYS_writev, 1, at + 32, 1), -EFAULT, "writev of 9 bytes that are not readable")
    equal(guest.ask(SYS_writev, 1, USER_END - 8, 1), -EFAULT,
          "writev with a vector at USER_END - 8")
    m.session.pump.drain()
    equal(m.console.text[before:], "abcdefgabcdefg", "what writev prints")


def set_and_get(guest: Guest) -> None:
    """Both bases, in random order, and neither disturbs the other."""
    m, rng = guest.m, guest.rng
    wanted = {code: user_base(rng) for code in rng.sample([SET_FS, SET_GS], 2)}
    for code, base in wanted.items():
        equal(guest.ask(SYS_arch_prctl, code, base, by=rng.choice(("syscall", "int80"))), 0,
              f"arch_prctl({code:#x}, {base:#x})")
    guest.ask(SYS_getpid)
    for code, base in wanted.items():
        name = BASES[code]
        equal(getattr(m.regs, name), base, f"{name.upper()} in ring 3 after arch_prctl({code:#x})")
        answer(guest, ANSWER[code], base)
    equal(m.regs.k_gs_base, m.sym("percpu"), "KERNEL_GS_BASE in ring 3 after arch_prctl")


def answer(guest: Guest, code: int, base: int) -> None:
    """ARCH_GET_ writes the base, 8 bytes, to where the program says."""
    m, at = guest.m, guest.program.data + 8 * guest.rng.randrange(1, 0x800)
    around = m.memory.u64(at - 8), m.memory.u64(at + 8)
    equal(guest.ask(SYS_arch_prctl, code, at), 0,
          f"arch_prctl({code:#x}), which asks for the base,")
    equal(m.memory.u64(at), base, f"what arch_prctl({code:#x}) writes")
    equal((m.memory.u64(at - 8), m.memory.u64(at + 8)), around, "what lies before and behind it")


def refused(guest: Guest) -> None:
    """Nothing of this may change a base, or anything in the kernel."""
    m, rng = guest.m, guest.rng
    bases = {code: user_base(rng) for code in BASES}
    for code, base in bases.items():
        equal(guest.ask(SYS_arch_prctl, code, base), 0, f"arch_prctl({code:#x}, {base:#x})")
    for code in BASES:
        for address in (USER_END, 1 << 47, 1 << 62, 1 << 63, m.sym("percpu"), (1 << 64) - 1):
            equal(guest.ask(SYS_arch_prctl, code, address), -EPERM,
                  f"arch_prctl({code:#x}, {address:#x})")
    target = m.sym("syscall_table") + 8 * 400
    kernels = m.memory.u64(target)
    for code in ANSWER.values():
        for address in (target, WINDOW_BASE, USER_END - 4, 8, guest.program.constants,
                        guest.program.data - 4, 1 << 47):
            equal(guest.ask(SYS_arch_prctl, code, address), -EFAULT,
                  f"arch_prctl({code:#x}) with the answer to go to {address:#x}")
    for code in (0, 0x1000, 0x1005, 0x11, rng.getrandbits(31) | 0x2000):
        equal(guest.ask(SYS_arch_prctl, code, guest.program.data), -EINVAL,
              f"arch_prctl({code:#x})")
    equal(m.memory.u64(target), kernels,
          "what lies at an address of the kernel's that was given to it")
    for code, base in bases.items():
        equal(getattr(m.regs, BASES[code]), base, f"{BASES[code].upper()} after all of that")
