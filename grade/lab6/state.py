"""Exercises 6.1 to 6.6: small services of lab 6's kernel."""

from __future__ import annotations

from typing import Any

from grade.lab import Lab
from grade.machine import Machine, MemoryArea, layout
from grade.machine.layout import KERNEL_BASE
from grade.outcome import equal

SHADOW, PERCPU = layout.SHADOW_BIT, layout.ENTRY_PERCPU
KERNEL_RSP = PERCPU + layout.PERCPU_KERNEL_RSP

MEMORY = (MemoryArea(0, 0x9F000), MemoryArea(1 << 20, 0x3E00000))  # whole pages, as lab 2 wants


def boot(lab: Lab, cmdline: str = "pti=on", **options: Any) -> Machine:
    """A machine about to enter the kernel."""
    return lab.boot(cmdline=cmdline, memory_map=MEMORY, **options)


def call_out(machine: Machine, function: str, *arguments: int) -> tuple[int, int]:
    """Call a function whose last argument points to its result: the error, and the result."""
    place = machine.regs.rsp - 128  # machine.call leaves 256 bytes alone
    error = machine.call(function, *arguments, place) & 0xFFFF_FFFF
    return error, machine.u64(place)


def demand(machine: Machine, function: str, *arguments: int) -> int:
    """The result of a function of which no error is to be expected."""
    error, result = call_out(machine, function, *arguments)
    equal(error, 0, f"what {function} returns")
    return result


def is_true(result: int) -> bool:
    """Of a function that returns bool only the lowest byte counts."""
    return result & 0xFF != 0


def kernel_root(machine: Machine) -> int:
    return machine.phys.u64(machine.sym("kernel_root") - KERNEL_BASE)
