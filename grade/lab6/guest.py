"""Exercises 6.4 to 6.6: a program that does nothing of its own accord, on a kernel with two sets of
tables. The grader moves each of its registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from grade.lab import Lab
from grade.lab6.pcid import PCID, RING3, Processor
from grade.lab6.state import PERCPU, SHADOW, boot
from grade.machine import Machine, Module, layout
from grade.machine.layout import PAGE, USER_CS, USER_END, USER_SS
from grade.machine.state import KERNEL_CS, KERNEL_SS, leave, random_registers
from grade.outcome import Failure, Outcome, equal
from grade.programs.image import R, W, Image, Segment

SPIN, INT80, SYSCALL = b"\xeb\xfe", b"\xcd\x80", b"\x0f\x05"
KERNEL_CODE = "kernel_ready"  # where the kernel has been, and does not come again


@dataclass(frozen=True)
class Puppet:
    """The program's file, and the addresses of its parts."""

    file: bytes
    entry: int  # jmp $
    int80: int  # int 0x80; jmp $
    syscall: int  # syscall; jmp $
    spare: int  # a place for instructions, to the end of the page
    data: int  # a page that can be written


def puppet(rng: Random) -> Puppet:
    """A puppet at random addresses."""
    base = rng.randrange(0x100, 1 << 33) * PAGE
    data = base + rng.randrange(2, 1 << 20) * PAGE
    code = (SPIN + INT80 + SPIN + SYSCALL + SPIN).ljust(0x600, b"\xcc")
    segments = [Segment(base, code), Segment(data, rng.randbytes(PAGE), R | W)]
    return Puppet(Image(base, segments).bytes(), base, base + 2, base + 6, base + 0x100, data)


class Guest:
    """A puppet in a machine."""

    def __init__(self, machine: Machine, rng: Random, program: Puppet) -> None:
        self.m, self.rng, self.program = machine, rng, program
        self.root = self.kernel_rsp = 0
        self.number = 0  # the PCID of ring 3

    def start(self) -> None:
        """Come to the program's first instruction."""
        self.m.run_to(self.program.entry)
        regs = self.m.regs
        equal(regs.cr3 & SHADOW, SHADOW, "SHADOW_BIT of CR3 at the first instruction in ring 3",
              "entry_leave: CR3 gets the shadow table before IRETQ")
        self.number = regs.cr3 & PCID
        self.root = regs.cr3 & ~(SHADOW | PCID)
        self.kernel_rsp = self.m.u64(PERCPU + layout.PERCPU_KERNEL_RSP)

    @property
    def shadow(self) -> int:
        return self.root | SHADOW | self.number

    def user_rsp(self) -> int:
        """In ring 3 RSP can be anything."""
        return self.rng.choice((self.rng.getrandbits(64), self.rng.randrange(USER_END)))

    def in_ring3(self, users: int, **registers: int) -> None:
        """Be in ring 3 with random registers, and those given."""
        planted = {**random_registers(self.rng), "rsp": self.user_rsp(), **registers}
        self.m.set_regs(cr3=self.shadow, cs=USER_CS, ss=USER_SS, gs_base=users, k_gs_base=PERCPU,
                        **planted)

    def in_ring0(self, users: int, **registers: int) -> None:
        """Be in the kernel, in the middle of its work for the program."""
        planted = {**random_registers(self.rng), "rsp": self.kernel_rsp - 0x400, **registers}
        self.m.set_regs(cr3=self.root, cs=KERNEL_CS, ss=KERNEL_SS, gs_base=PERCPU,
                        k_gs_base=users, **planted)

    def ask(self, number: int, by: str = "int80", **registers: int) -> int:
        """Make a system call, and come back behind it: RAX."""
        at = self.program.int80 if by == "int80" else self.program.syscall
        self.m.set_regs(**{**random_registers(self.rng), "rax": number, "rip": at, **registers})
        self.come_to(at + 2, f"system call {number} by {by}")
        return self.m.regs.rax

    def come_to(self, address: int, what: str) -> None:
        """Go on to a place in ring 3; the program must not be killed on the way."""
        if self.m.run_to(address, "process_kill") != address:
            raise Failure(Outcome.WRONG, f"{what}: the program is killed by signal "
                          f"{self.m.regs.rdi}", f"the program goes on at {address:#x}")


def in_program(regs_cr3: int, gs: int, other: int, guest: Guest, users: int, where: str) -> None:
    """Ring 3 has the shadow table and its own GS."""
    equal(regs_cr3, guest.shadow, f"{where}: CR3 in ring 3 (the shadow table)")
    equal((gs, other), (users, PERCPU), f"{where}: GS_BASE (the program's) and KERNEL_GS_BASE")


def in_kernel(machine: Machine, guest: Guest, users: int, where: str) -> None:
    """The kernel has its own table and its own GS."""
    regs = machine.regs
    equal(regs.cr3, guest.root, f"{where}: CR3 (the process's own table)")
    equal((regs.gs_base, regs.k_gs_base), (PERCPU, users),
          f"{where}: GS_BASE (the kernel's) and KERNEL_GS_BASE")


@contextmanager
def guest(lab: Lab, pcids: bool = False, **options: Any) -> Iterator[Guest]:
    """A machine at the first instruction of a puppet; with PCIDs, if they are asked for."""
    program = puppet(lab.rng)
    with boot(lab, modules=[Module(program.file, "puppet")], **options) as machine:
        if pcids:
            machine.run_to("kpti_init")
            Processor(machine)
        visitor = Guest(machine, lab.rng, program)
        machine.run_to("programs_baseline")
        leave(machine, 1)  # it ran well; it takes more than a check may ask for
        visitor.start()
        equal(visitor.number, RING3 * pcids, "the PCID in CR3 at the first instruction in ring 3",
              "entry_leave: percpu.cr3_switch has all that CR3 must differ in")
        yield visitor
