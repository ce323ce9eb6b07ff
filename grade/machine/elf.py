"""An ELF64 file as far as a boot loader and a symbol table need it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LOAD = 1
EXECUTABLE = 1
SYMBOL_TABLE = 2
UNDEFINED = 0
FUNCTION, UNTYPED, OBJECT = 2, 0, 1
X86_64 = 62
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
        return bool(self.flags & EXECUTABLE)


@dataclass(frozen=True)
class Symbol:
    """A name of the kernel."""

    name: str
    address: int
    size: int
    kind: int


class Elf:
    """The file's bytes, and what they say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = path.read_bytes()
        if self.bytes[:6] != b"\x7fELF\x02\x01" or len(self.bytes) < HEADER.size:
            raise BadElf(f"{path.name} is not a 64-bit little-endian ELF file")
        fields: tuple[int, ...] = HEADER.unpack_from(self.bytes)
        (_, _, self.machine, _, self.entry_va, self._program, self._section, _, _,
         self._program_size, self._program_count, self._section_size, self._section_count,
         _) = fields

    @cached_property
    def segments(self) -> list[Segment]:
        """What is to be loaded."""
        found = []
        for i in range(self._program_count):
            kind, flags, offset, va, pa, size, memory, _ = PROGRAM_HEADER.unpack_from(
                self.bytes, self._program + i * self._program_size)
            if kind == LOAD and memory:
                found.append(Segment(va, pa, memory, flags, self.bytes[offset:offset + size]))
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
        sections = [SECTION_HEADER.unpack_from(self.bytes, self._section + i * self._section_size)
                    for i in range(self._section_count)]
        found = []
        for _, kind, _, _, offset, size, link, _, _, _ in sections:
            if kind == SYMBOL_TABLE:
                names = sections[link][4]
                found += self._symbols(self.bytes[offset:offset + size], names)
        return found

    def _symbols(self, table: bytes, names: int) -> list[Symbol]:
        found = []
        for name, info, _, section, value, size in SYMBOL.iter_unpack(table):
            if section != UNDEFINED and name and info & 15 in (FUNCTION, UNTYPED, OBJECT):
                end = self.bytes.index(b"\0", names + name)
                text = self.bytes[names + name:end].decode(errors="replace")
                found.append(Symbol(text, value, size, info & 15))
        return found
