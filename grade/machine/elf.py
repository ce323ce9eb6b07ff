"""An ELF64 file as far as a boot loader and a symbol table need it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from grade.machine.layout import ELF_EXECUTE, ELF_SEGMENT_LOAD

SYMBOL_TABLE = 2
UNDEFINED = 0
FUNCTION, UNTYPED, OBJECT = 2, 0, 1
MOST_SYMBOLS = 100_000
LONGEST_NAME = 1024
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")


class BadElf(ValueError):
    """Not a file that a boot loader could load."""


@dataclass(frozen=True)
class Segment:
    """A part of the file that goes into memory."""

    va: int
    pa: int
    memory_size: int
    flags: int
    data: bytes

    @property
    def executable(self) -> bool:
        return bool(self.flags & ELF_EXECUTE)


@dataclass(frozen=True)
class Symbol:
    """A name of the kernel."""

    name: str
    address: int
    size: int
    kind: int


class Elf:
    """The file's bytes, and what they say. They come from a student's linker, or from anywhere: all
    that is in them is checked before it is used, and BadElf says what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = path.read_bytes()
        if self.bytes[:6] != b"\x7fELF\x02\x01" or len(self.bytes) < HEADER.size:
            raise BadElf(f"{path.name} is not a 64-bit little-endian ELF file")
        fields: tuple[int, ...] = HEADER.unpack_from(self.bytes)
        (_, _, self.machine, _, self.entry_va, program, section, _, _, program_size,
         program_count, section_size, section_count, _) = fields
        self._programs = self._headers("program header", PROGRAM_HEADER, program, program_size,
                                       program_count)
        self._sections = self._headers("section header", SECTION_HEADER, section, section_size,
                                       section_count)

    def _headers(self, what: str, form: struct.Struct, start: int, size: int, count: int
                 ) -> list[tuple[int, ...]]:
        """A table of headers."""
        if count and size < form.size:
            raise BadElf(f"a {what} of {self.path.name} has {size} bytes, not {form.size}")
        table = self._part(f"the table of {what}s", start, size * count)
        return [form.unpack_from(table, size * i) for i in range(count)]

    def _part(self, what: str, offset: int, size: int) -> bytes:
        if offset + size > len(self.bytes):
            raise BadElf(f"{what} of {self.path.name} ({offset:#x} + {size:#x} bytes) goes beyond "
                         f"the end of the file, {len(self.bytes):#x}")
        return self.bytes[offset:offset + size]

    @cached_property
    def segments(self) -> list[Segment]:
        """What is to be loaded."""
        found = []
        for kind, flags, offset, va, pa, size, memory, _ in self._programs:
            if kind != ELF_SEGMENT_LOAD or not memory:
                continue
            if size > memory:
                raise BadElf(f"the segment at {va:#x} has more bytes in the file, {size:#x}, than "
                             f"in memory, {memory:#x}")
            data = self._part(f"the segment at {va:#x}", offset, size)
            found.append(Segment(va, pa, memory, flags, data))
        return found

    @property
    def entry(self) -> int:
        """The physical address of the first instruction, found as GRUB finds it."""
        for each in self.segments:
            if each.va <= self.entry_va < each.va + each.memory_size:
                return self.entry_va - each.va + each.pa
        raise BadElf(f"the entry point {self.entry_va:#x} lies in no segment that is loaded")

    @cached_property
    def symbols(self) -> list[Symbol]:
        """Every name with an address."""
        found: list[Symbol] = []
        for _, kind, _, _, offset, size, link, _, _, _ in self._sections:
            if kind != SYMBOL_TABLE:
                continue
            table = self._part("the symbol table", offset, size)
            if link >= len(self._sections):
                raise BadElf(f"the symbol table of {self.path.name} has its names in section {link}"
                             f", and there are {len(self._sections)}")
            names = self._part("the table of names", *self._sections[link][4:6])
            found += _symbols(table[:len(table) // SYMBOL.size * SYMBOL.size], names)
            if len(found) > MOST_SYMBOLS:
                raise BadElf(f"{self.path.name} has {len(found)} symbols; a lab's kernel has less "
                             f"than {MOST_SYMBOLS}")
        return found


def _symbols(table: bytes, names: bytes) -> list[Symbol]:
    found = []
    for name, info, _, section, value, size in SYMBOL.iter_unpack(table):
        if section != UNDEFINED and name and info & 15 in (FUNCTION, UNTYPED, OBJECT):
            text = names[name:name + LONGEST_NAME].partition(b"\0")[0]
            found.append(Symbol(text.decode(errors="replace"), value, size, info & 15))
    return found
