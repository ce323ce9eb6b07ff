"""Exercises 4.1 to 4.6: a program that does nothing of its own accord. The grader moves each of its
registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from grade.lab import Lab
from grade.machine import Machine, Module, layout
from grade.machine.layout import (PAGE, SYS_exit, SYS_wait4, USER_CS, USER_SS, WORD, signal_name,
                                  signed)
from grade.machine.state import assign, leave, random_registers
from grade.outcome import Failure, Outcome
from grade.programs.image import R, W, X, Image, Segment

SPIN = b"\xeb\xfe"  # jmp $
INT80, SYSCALL = b"\xcd\x80", b"\x0f\x05"
DATA_PAGES = 4


@dataclass(frozen=True)
class Puppet:
    """The program's file, and the addresses of its parts."""

    file: bytes
    entry: int  # jmp $
    int80: int  # int 0x80; jmp $
    syscall: int  # syscall; jmp $
    spare: int  # a place for instructions, to the end of the page
    constants: int  # a page that can only be read
    data: int  # DATA_PAGES that can be written, full of `contents`
    contents: bytes

    def module(self, name: str = "puppet") -> Module:
        return Module(self.file, name)


def puppet(rng: Random) -> Puppet:
    """A puppet at random addresses. Nothing is mapped around its data."""
    base = rng.randrange(0x100, 1 << 33) * PAGE
    constants = base + rng.randrange(2, 1 << 20) * PAGE
    data = constants + rng.randrange(2, 1 << 20) * PAGE
    start = base + 2 * rng.randrange(0x200)
    code = (SPIN + INT80 + SPIN + SYSCALL + SPIN).ljust(0x600, b"\xcc")
    contents = rng.randbytes(DATA_PAGES * PAGE)
    segments = [Segment(start, code), Segment(constants, rng.randbytes(PAGE), R),
                Segment(data, contents, R | W)]
    assert segments[0].flags == R | X
    return Puppet(Image(start, segments).bytes(), start, start + 2, start + 6, start + 0x100,
                  constants, data, contents)


class Guest:
    """A puppet in a machine."""

    def __init__(self, machine: Machine, rng: Random, program: Puppet) -> None:
        self.m, self.rng, self.program = machine, rng, program
        self.root = self.stack = 0

    def invade(self, place: str) -> None:
        """At a place in the kernel's start at which programs cannot run yet, be in ring 3: the
        kernel makes the process, and the grader does what is not written yet."""
        self.m.run_to(place)
        self.m.set_regs(rip=self.m.sym("programs_run"))
        self.m.run_to("enter_usermode_returnable")
        regs = self.m.regs
        self.root, self.stack = regs.r8, regs.rsp - 0x80 & -16
        assign(self.m, "cpu_tss", self.stack, layout.TSS_RSP0)
        assign(self.m, "percpu", self.stack, layout.PERCPU_KERNEL_RSP)
        self.enter()

    def enter(self) -> None:
        """Be in ring 3, by the grader's hand."""
        self.m.set_regs(cr3=self.root, rip=self.program.entry, cs=USER_CS, ss=USER_SS, ds=USER_SS,
                        es=USER_SS, fs=0, gs=0, gs_base=0, k_gs_base=self.m.sym("percpu"))

    def start(self) -> None:
        """Leave out the baseline, which takes more than may be written yet, and come to the
        first instruction."""
        skip_baseline(self.m)
        self.m.run_to(self.program.entry)
        self.root = self.m.regs.cr3

    def plant(self, **registers: int) -> dict[str, int]:
        """Random general registers and those given; all that was set."""
        if registers.get("rax") == SYS_wait4:
            registers.setdefault("r10", 0)  # nobody asks what the child has used
        planted = {**random_registers(self.rng), **registers}
        self.m.set_regs(**planted)
        return planted

    def ask(self, number: int, *arguments: int, by: str = "syscall", **registers: int) -> int:
        """Make a system call and come back to ring 3: the signed result."""
        at = self.program.syscall if by == "syscall" else self.program.int80
        named = dict(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"),
                         (each % WORD for each in arguments)))
        self.plant(rax=number % WORD, rip=at, **named, **registers)
        name = number if 0 <= number < 1000 else hex(number % WORD)
        return self.come_back(at + 2, f"system call {name} by {by}")

    def leave(self) -> None:
        """exit(0)."""
        self.plant(rip=self.program.int80, rax=SYS_exit, rdi=0)

    def come_back(self, address: int, what: str) -> int:
        """Go on until ring 3 is at an address: the signed RAX. The program must not be killed."""
        try:
            place = self.m.run_to(address, "process_kill")
        except Failure as failure:
            failure.seen = f"{what}: {failure.seen}"
            raise
        if place != address:
            signal = self.m.regs.rdi
            raise Failure(Outcome.WRONG, f"{what}: the program is killed by signal {signal} "
                          f"({signal_name(signal)})",
                          f"the program goes on behind the instruction, at {address:#x}",
                          details=["the last lines on the serial port:", *self.m.console.tail(4)])
        return signed(self.m.regs.rax)


def skip_baseline(machine: Machine) -> None:
    """Let programs_baseline() be true without having run."""
    machine.run_to("programs_baseline")
    leave(machine, 1)


@contextmanager
def guest(lab: Lab, programs: int = 1, **options: Any) -> Iterator[Guest]:
    """A machine about to be booted with so many copies of a puppet as its programs."""
    program = puppet(lab.rng)
    with lab.boot(modules=[program.module()] * programs, **options) as machine:
        yield Guest(machine, lab.rng, program)
