"""The processor's own breakpoint, in DR0 and DR7: a #DB before the instruction at an address.

gdb cannot write these registers, so the machine is led through instructions that do."""

from __future__ import annotations

from grade.machine.layout import KERNEL_BASE
from grade.machine.machine import Machine
from grade.machine.state import FIXED, GENERAL, KERNEL_CS, KERNEL_SS, values, variable

WRITE_BOTH = b"\x0f\x23\xc0\x0f\x23\xf9"  # mov dr0, rax; mov dr7, rcx
ROOM = "gdt_init"  # where the kernel has been, and does not come again
ON, OFF = 0x402, 0x400  # DR7: G0, an instruction (Intel SDM vol. 3B 17.2.4); bit 10 is always 1
KEPT = (*GENERAL, "rip", "rflags", "cs", "ss", "cr3")


def set_breakpoint(machine: Machine, address: int) -> None:
    """From now on the instruction at this address raises #DB, each time before it is executed,
    unless RF is set. (QEMU 7.2 does not take RF from IRETQ's frame.)"""
    _write(machine, address, ON)


def clear_breakpoint(machine: Machine) -> None:
    """No more of that."""
    _write(machine, 0, OFF)


def _write(machine: Machine, dr0: int, dr7: int) -> None:
    before, room = machine.regs, machine.sym(ROOM)
    machine.set_regs(cr3=variable(machine, "kernel_root"), cs=KERNEL_CS, ss=KERNEL_SS,
                     rflags=FIXED, rip=room, rax=dr0, rcx=dr7)
    if machine.phys.read(room - KERNEL_BASE, len(WRITE_BOTH)) != WRITE_BOTH:
        machine.memory.poke_code(room, WRITE_BOTH)
    machine.step(2)
    machine.set_regs(**values(before, KEPT))
