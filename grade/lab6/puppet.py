"""Exercises 6.4 to 6.6: lab 4's puppet, on a kernel with two sets of tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from grade.lab import Lab
from grade.lab4 import puppet
from grade.lab4.puppet import Puppet
from grade.lab6.pcid import PCID, RING3, Processor
from grade.lab6.kernel import PERCPU, SHADOW, boot
from grade.machine import Machine, layout
from grade.machine.calls import LANDING
from grade.machine.layout import USER_CS, USER_END, USER_SS
from grade.machine.state import KERNEL_CS, KERNEL_SS, random_registers
from grade.outcome import equal

KERNEL_CODE = LANDING  # where the kernel has been, and does not come again


class Guest(puppet.Guest):
    """A puppet in a machine. In ring 3 it has the shadow table of its own table, `root`."""

    def __init__(self, machine: Machine, rng: Random, program: Puppet) -> None:
        super().__init__(machine, rng, program)
        self.kernel_rsp = 0
        self.number = 0  # the PCID of ring 3

    def start(self) -> None:
        """Come to the program's first instruction."""
        super().start()
        regs = self.m.regs
        equal(regs.cr3 & SHADOW, SHADOW, "SHADOW_BIT of CR3 at the first instruction in ring 3",
              "entry_leave: CR3 gets the shadow table before IRETQ")
        self.number = regs.cr3 & PCID
        self.root = regs.cr3 & ~(SHADOW | PCID)
        self.kernel_rsp = self.m.memory.u64(PERCPU + layout.PERCPU_KERNEL_RSP)

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
    program = puppet.puppet(lab.rng)
    with boot(lab, modules=[program.module()], **options) as machine:
        if pcids:
            machine.run_to("kpti_init")
            Processor(machine)
        visitor = Guest(machine, lab.rng, program)
        visitor.start()
        equal(visitor.number, RING3 * pcids, "the PCID in CR3 at the first instruction in ring 3",
              "entry_leave: percpu.cr3_switch has all that CR3 must differ in")
        yield visitor
