"""Exercises 6.1 to 6.6: how lab 6's kernel is booted, and where what it must have lies."""

from __future__ import annotations

from typing import Any

from grade.lab import Lab
from grade.machine import Machine, MemoryArea, layout
from grade.machine.layout import KERNEL_BASE

SHADOW, PERCPU = layout.SHADOW_BIT, layout.ENTRY_PERCPU
KERNEL_RSP = PERCPU + layout.PERCPU_KERNEL_RSP

MEMORY = (MemoryArea(0, 0x9F000), MemoryArea(1 << 20, 0x3E00000))  # whole pages, as lab 2 wants


def boot(lab: Lab, cmdline: str = "pti=on", **options: Any) -> Machine:
    """A machine about to enter the kernel."""
    return lab.boot(cmdline=cmdline, memory_map=MEMORY, **options)


def kernel_root(machine: Machine) -> int:
    return machine.phys.u64(machine.sym("kernel_root") - KERNEL_BASE)
