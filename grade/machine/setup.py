"""A machine's birth: what it is made of, and how the kernel gets into it, by GRUB or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from grade.machine import firmware
from grade.machine.elf import Elf
from grade.machine.loader import load
from grade.machine.multiboot2 import MemoryArea, Module
from grade.machine.phys import PhysicalMemory
from grade.machine.session import Limits, Session
from grade.machine.template import CACHE, MOST_FILLED, Template, incoming, template

UEFI_MEMORY = 256  # MiB: OVMF does not start with less than about half of it


@dataclass(frozen=True)
class Setup:
    """What can be chosen. With grub or uefi the iso is booted: command line, modules and memory map
    are then what its GRUB says, and the last five fields mean nothing."""

    memory: int = 64  # MiB
    cpu: str = "max"  # QEMU's name
    fill: int = 0xA5  # what unused RAM is full of
    firmware: Literal["template", "grub", "uefi"] = "template"
    iso: Path | None = None
    cmdline: str = ""
    modules: Sequence[Module] = ()
    memory_map: Sequence[MemoryArea] | None = None
    rng: Random = Random(0)  # where the loader puts things
    cache: Path = CACHE  # of templates

    @property
    def mebibytes(self) -> int:
        """As much as there is."""
        return max(self.memory, UEFI_MEMORY) if self.firmware == "uefi" else self.memory

    def saved(self) -> Template:
        """The machine as GRUB hands it over: made now, if nobody has made it yet."""
        return template(memory=self.mebibytes, cpu=self.cpu, cache=self.cache)


def power_on(setup: Setup, limits: Limits) -> Session:
    """A new machine, stopped: before its first instruction, or where GRUB has done its work."""
    if setup.firmware == "template":
        return incoming(setup.saved(), memory=setup.mebibytes, cpu=setup.cpu, fill=setup.fill,
                        limits=limits)
    if not setup.iso:
        raise ValueError(f"firmware={setup.firmware!r} needs iso=")
    arguments = firmware.cdrom(setup.iso) + (firmware.uefi() if setup.firmware == "uefi" else [])
    return Session(memory=setup.mebibytes, cpu=setup.cpu, limits=limits, arguments=arguments)


def hand_over(setup: Setup, session: Session, memory: PhysicalMemory, kernel: Elf) -> int:
    """Come to the kernel's first instruction; where the Multiboot2 structure lies."""
    if setup.firmware == "template":
        return load(kernel, session.gdb, memory, setup.saved().information, rng=setup.rng,
                    cmdline=setup.cmdline, modules=setup.modules, areas=setup.memory_map)
    if setup.fill:
        session.qemu.ram.fill(0, min(setup.mebibytes << 20, MOST_FILLED), setup.fill)
    session.connect()
    firmware.boot_to(session, kernel.entry)
    session.console.restart()
    return session.gdb.registers().rbx & 0xFFFF_FFFF
