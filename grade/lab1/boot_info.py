"""Exercise 1.8: boot information as no loader has made it yet, and legal all the same: random tags
in random order with odd sizes, rubbish in the padding, memory maps with long entries."""

from __future__ import annotations

import string
import struct
from dataclasses import dataclass
from random import Random

from grade.machine.layout import PAGE
from grade.machine.multiboot2 import AREA, COMMAND_LINE, END, LOADER_NAME, MEMORY_MAP, MODULE

OTHER_TYPES = (4, 5, 8, 9, 10, 11, 14, 15, 16, 21, 22, 99, 0x10003, 0xFFFFFFFF)
ENTRY_SIZES = (24, 32, 40)
TYPES = (1, 1, 2, 3, 4, 5, 77)
LONG = 100  # entries
LETTERS = string.ascii_letters + string.digits + " =,./-_"


@dataclass(frozen=True)
class Information:
    """The bytes, and what a reader must find in them."""

    data: bytes
    command_line: str
    regions: list[tuple[int, int, int]]  # base, length, type
    modules: list[tuple[int, int, str]]  # start, end, command line
    tags: list[tuple[int, int]]  # (type, offset), in order
    entry_size: int


def words(rng: Random, longest: int = 40) -> str:
    """A text of random length: its tag's size is seldom a multiple of 8."""
    return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(longest)))


def random_information(rng: Random, entry_size: int, entries: int, modules: int) -> Information:
    """A structure with so many entries of this size in its memory map, and so many modules."""
    line = words(rng)
    regions = [(rng.getrandbits(52) & -PAGE, rng.getrandbits(36), rng.choice(TYPES))
               for _ in range(entries)]
    loaded = [_module(rng) for _ in range(modules)]
    bodies = [(COMMAND_LINE, _text(line)), (LOADER_NAME, _text(words(rng))),
              (MEMORY_MAP, _memory_map(rng, regions, entry_size))]
    bodies += [(MODULE, struct.pack("<II", start, end) + _text(name))
               for start, end, name in loaded]
    bodies += [(rng.choice(OTHER_TYPES), rng.randbytes(rng.randrange(50)))
               for _ in range(rng.randrange(1, 12))]
    rng.shuffle(bodies)
    order = [body for kind, body in bodies if kind == MODULE]
    loaded.sort(key=lambda each: order.index(
        struct.pack("<II", each[0], each[1]) + _text(each[2])))
    data, tags = _structure(rng, bodies)
    return Information(data, line, regions, loaded, tags, entry_size)


def _module(rng: Random) -> tuple[int, int, str]:
    start = rng.randrange(1 << 20, 1 << 31) & -PAGE
    return start, start + rng.randrange(1 << 24), words(rng)


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _memory_map(rng: Random, regions: list[tuple[int, int, int]], entry_size: int) -> bytes:
    """Entries of which only the first 24 bytes mean something; a piece of one ends a long map."""
    body = struct.pack("<II", entry_size, 0)
    for base, length, kind in regions:
        body += AREA.pack(base, length, kind, rng.getrandbits(32))
        body += rng.randbytes(entry_size - AREA.size)
    piece = rng.choice([8, entry_size - 8]) if len(regions) > LONG else 0
    return body + rng.randbytes(piece)


def _structure(rng: Random, bodies: list[tuple[int, bytes]]) -> tuple[bytes, list[tuple[int, int]]]:
    """All the tags, padded with rubbish, and where each of them is."""
    data, places = b"\0" * 8, []
    for kind, body in [*bodies, (END, b"")]:
        places.append((kind, len(data)))
        data += struct.pack("<II", kind, 8 + len(body)) + body
        data += rng.randbytes(-len(data) % 8)
    return struct.pack("<II", len(data), rng.getrandbits(32)) + data[8:], places
