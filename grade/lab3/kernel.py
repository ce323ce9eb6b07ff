"""Exercises 3.1 to 3.8: a kernel that stands where it would run its first program, and is asked for
parts of that."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from grade.lab import Lab
from grade.lab2.kernel import OUT, Kernel, Reply
from grade.machine import Machine, Module, layout
from grade.machine.layout import WINDOW_BASE
from grade.machine.multiboot2 import MODULE, tags

FILE_ROOM = 0x10000
LINE = "x" * 24  # the module's command line, which is written over
DATA, STACK, STACK_TOP, FRAME = 0x8000, 0xC000, 0xFE00, 0xFF00  # in probe_data, behind the slots

KERNEL_HALF = range(256, 512)
STACKS = layout.KERNEL_STACKS_BASE >> 39 & 511  # the top table's entry for kernel stacks


class File(NamedTuple):
    """A program file in the kernel's memory."""

    address: int
    size: int


def module_tag(m: Machine) -> tuple[int, int]:
    """The first module's tag in the boot information, where the module starts."""
    size = int.from_bytes(m.phys.read(m.information, 4), "little")
    structure = m.phys.read(m.information, size)
    at = 8
    for kind, tag in tags(structure):
        if kind == MODULE:
            return m.information + at, struct.unpack_from("<I", tag, 8)[0]
        at += len(tag) + 7 & ~7
    raise AssertionError("the machine was booted without a module")


class Programs(Kernel):
    """Address spaces, files and stacks, made at the grader's wish."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.tag, self.module = module_tag(machine)
        self.data = self.slots + DATA

    def put(self, file: bytes) -> File:
        """Lay a program file where the kernel can read it, with something else behind it."""
        assert len(file) < FILE_ROOM
        self.m.phys.write(self.module, file + b"\x5a" * (FILE_ROOM - len(file)))
        return File(WINDOW_BASE + self.module, len(file))

    def space(self) -> int:
        """A new address space."""
        return self.one("address_space_create", OUT).demand().out

    def end(self, root: int) -> None:
        self.one("address_space_destroy", root)

    def load(self, root: int, file: bytes) -> Reply:
        """load_elf of these bytes."""
        put = self.put(file)
        return self.one("load_elf", root, put.address, put.size, OUT)

    def page(self, root: int, va: int, data: bytes, flags: int = 0) -> int:
        """A page of our own for ring 3, read-execute by default; its frame."""
        frame = self.one("address_space_add_page", root, va, flags, OUT).demand().out
        self.m.phys.write(frame, data)
        return frame

    def stack(self) -> tuple[int, int]:
        """kernel_stack_create: bottom and top."""
        self.one("kernel_stack_create", self.data).demand()
        return self.m.memory.u64(self.data), self.m.memory.u64(self.data + 8)


@contextmanager
def programs(lab: Lab) -> Iterator[Programs]:
    """A kernel at programs_run, with room for a program file as its module."""
    with lab.boot(probe=True, modules=[Module(bytes(FILE_ROOM), LINE)]) as m:
        m.run_to("programs_run")
        yield Programs(m)
