"""Program files made to measure: ELF64 with every field as one likes it, and code by nasm."""

from __future__ import annotations

import functools
import os
import re
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from grade.errors import MissingTool
from grade.machine import layout
from grade.machine.layout import PAGE

WORD = re.compile(r"[A-Za-z_]\w*")
Data = bytes  # by a name that no method below has

LOAD, DYNAMIC, INTERPRETER = (layout.ELF_SEGMENT_LOAD, layout.ELF_SEGMENT_DYNAMIC,
                              layout.ELF_SEGMENT_INTERPRETER)
NOTE = 4  # as the others, a type of a segment
X, W, R = layout.ELF_EXECUTE, layout.ELF_WRITE, layout.ELF_READ  # flags of a segment

HEADER = struct.Struct("<4s5B7xHHIQQQI6H")
HEADER_FIELDS = ("magic", "class_", "data", "ident_version", "os_abi", "abi_version", "type",
                 "machine", "version", "entry", "program_headers", "section_headers", "flags",
                 "header_size", "program_header_size", "program_header_count",
                 "section_header_size", "section_header_count", "section_names")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
PROGRAM_HEADER_FIELDS = ("kind", "flags", "offset", "address", "physical_address", "file_size",
                         "memory_size", "alignment")


@dataclass
class Segment:
    """A program header, and the bytes that it brings along. What is None follows from the rest."""

    address: int
    data: bytes = b""
    flags: int = R | X
    memory_size: int | None = None  # as many as in the file
    kind: int = LOAD
    offset: int | None = None  # the next place in the file that suits the address
    alignment: int = PAGE

    @property
    def size(self) -> int:
        """In memory."""
        return len(self.data) if self.memory_size is None else self.memory_size

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass
class Image:
    """A program file. `fields` are of HEADER_FIELDS: they replace what would be right."""

    entry: int
    segments: Sequence[Segment] = ()
    fields: Mapping[str, int | bytes] = field(default_factory=dict)
    headers_at: int = HEADER.size

    def bytes(self) -> bytes:
        """The file: header, program headers, and then the segments' bytes, in their order."""
        end = self.headers_at + PROGRAM_HEADER.size * len(self.segments)
        data = bytearray(end)
        table = b""
        for each in self.segments:
            offset = each.offset
            if offset is None:
                offset = end + (each.address - end) % PAGE if each.data else each.address % PAGE
                end = max(end, offset + len(each.data))
                data.extend(bytes(end - len(data)))
                data[offset:offset + len(each.data)] = each.data
            table += self._program_header(each, offset)
        data[self.headers_at:self.headers_at + len(table)] = table
        data[:HEADER.size] = self._header()
        return bytes(data)

    def _header(self) -> Data:
        values: dict[str, int | Data] = {
            "magic": b"\x7fELF", "class_": 2, "data": 1, "ident_version": 1, "os_abi": 0,
            "abi_version": 0, "type": 2, "machine": 62, "version": 1, "entry": self.entry,
            "program_headers": self.headers_at, "section_headers": 0, "flags": 0,
            "header_size": HEADER.size, "program_header_size": PROGRAM_HEADER.size,
            "program_header_count": len(self.segments), "section_header_size": 0,
            "section_header_count": 0, "section_names": 0, **self.fields}
        return HEADER.pack(*(values[name] for name in HEADER_FIELDS))

    @staticmethod
    def _program_header(each: Segment, offset: int) -> Data:
        return PROGRAM_HEADER.pack(each.kind, each.flags, offset, each.address, each.address,
                                   len(each.data), each.size, each.alignment)


def patched(file: bytes, number: int, **fields: int) -> bytes:
    """A program file with other PROGRAM_HEADER_FIELDS in one program header."""
    place = struct.unpack_from("<Q", file, 32)[0] + number * PROGRAM_HEADER.size
    values = dict(zip(PROGRAM_HEADER_FIELDS, PROGRAM_HEADER.unpack_from(file, place)))
    values.update(fields)
    header = PROGRAM_HEADER.pack(*(values[name] for name in PROGRAM_HEADER_FIELDS))
    return file[:place] + header + file[place + len(header):]


class Code(NamedTuple):
    """Machine code, and where its labels are."""

    bytes: bytes
    labels: Mapping[str, int]


@functools.lru_cache(maxsize=None)
def _nasm(text: str) -> bytes:
    with (os.fdopen(os.memfd_create("code.asm"), "r+b") as source,
          os.fdopen(os.memfd_create("code"), "r+b") as made):
        source.write(text.encode())
        source.flush()
        files = source.fileno(), made.fileno()
        try:
            subprocess.run(["nasm", "-f", "bin", f"/proc/self/fd/{files[0]}",
                            "-o", f"/proc/self/fd/{files[1]}"],
                           pass_fds=files, capture_output=True, check=True)
        except FileNotFoundError:
            raise MissingTool("nasm") from None
        except subprocess.CalledProcessError as error:
            raise ValueError(f"{error.stderr.decode(errors='replace')}\n{text}") from None
        return made.read()


def assemble(text: str, origin: int = 0, labels: Iterable[str] = ()) -> Code:
    """Assemble 64-bit code that will stand at origin; `labels` are those one wants to know. It may
    use the headers' names for numbers, as the kernel's assembly does. (With an `align` in it,
    origin must be aligned as much: nasm would pad.)"""
    names, numbers = list(labels), layout.numbers()
    table = f"\n dq {', '.join(names)}\n" if names else "\n"
    defined = "".join(f"%define {word} {numbers[word]}\n"
                      for word in sorted(set(WORD.findall(text)) & numbers.keys()))
    made = _nasm(f"bits 64\ndefault rel\norg {origin:#x}\nsection .text align=1\n"
                 f"{defined}{text}{table}")
    size = len(made) - 8 * len(names)
    return Code(made[:size], dict(zip(names, struct.unpack_from(f"<{len(names)}Q", made, size))))


def program(text: str, base: int = 0x400000, labels: Iterable[str] = ()) -> tuple[bytes, Code]:
    """A program file of one read-execute segment at base that starts at its first instruction."""
    code = assemble(text, base, labels)
    return Image(base, [Segment(base, code.bytes)]).bytes(), code
