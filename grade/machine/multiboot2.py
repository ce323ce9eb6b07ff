"""The boot loader's part of Multiboot2: is this a kernel that GRUB would load, and the information
structure that it is given (Multiboot2 specification 2.0, sections 3.1 and 3.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grade.machine.layout import MULTIBOOT2_HEADER_MAGIC

SEARCHED = 32768
I386 = 0

HEADER = struct.Struct("<4I")
HEADER_TAG = struct.Struct("<HHI")
TAG = struct.Struct("<II")
AREA = struct.Struct("<QQII")
OPTIONAL = 1
END, REQUEST, ADDRESS, ENTRY = 0, 1, 2, 3
UNDERSTOOD = range(0, 11)

COMMAND_LINE, LOADER_NAME, MODULE, MEMORY_SIZE, MEMORY_MAP, IMAGE_BASE = 1, 2, 3, 4, 6, 21
OUR_OWN = {0, COMMAND_LINE, LOADER_NAME, MODULE, MEMORY_SIZE, MEMORY_MAP, 9, IMAGE_BASE}
# What GRUB can tell a kernel on a BIOS machine: a header that insists on more is refused.
AVAILABLE_TAGS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 21}

AVAILABLE, RESERVED, ACPI_RECLAIMABLE, ACPI_NVS, BAD = 1, 2, 3, 4, 5


class BadHeader(ValueError):
    """GRUB would not load this kernel, and why."""


@dataclass(frozen=True)
class Module:
    """A file that the loader puts into memory beside the kernel."""

    data: bytes
    name: str = ""  # its command line


@dataclass(frozen=True)
class MemoryArea:
    """An entry of the memory map."""

    base: int
    length: int
    kind: int = AVAILABLE

    @property
    def end(self) -> int:
        return self.base + self.length


@dataclass(frozen=True)
class Header:
    """A kernel's header: where it is, and the tags in it as (type, flags, payload)."""

    offset: int
    tags: tuple[tuple[int, int, bytes], ...]

    @property
    def entry(self) -> int | None:
        """The entry address, if a tag sets another than the ELF file's."""
        return next((struct.unpack_from("<I", data)[0] for kind, _, data in self.tags
                     if kind == ENTRY), None)


def check_header(image: bytes) -> Header:
    """Find the header as GRUB does, and check what GRUB checks."""
    reasons = []
    for offset in range(0, min(len(image), SEARCHED) - HEADER.size + 1, 8):
        magic, architecture, length, checksum = HEADER.unpack_from(image, offset)
        if magic != MULTIBOOT2_HEADER_MAGIC:
            continue
        if (magic + architecture + length + checksum) & 0xFFFF_FFFF:
            reasons.append(f"the header at {offset:#x} has a wrong checksum")
        elif architecture != I386:
            reasons.append(f"the header at {offset:#x} is for architecture {architecture}, not 0")
        else:
            return Header(offset, _header_tags(image, offset, length))
    raise BadHeader(reasons[0] if reasons else _search_further(image))


def _search_further(image: bytes) -> str:
    """No header where GRUB looks: is there one where it does not look?"""
    at = image.find(struct.pack("<I", MULTIBOOT2_HEADER_MAGIC))
    if at < 0:
        return "there is no Multiboot2 header in the file"
    if at % 8:
        return f"the Multiboot2 header at {at:#x} is not aligned to 8 bytes"
    return f"the Multiboot2 header at {at:#x} lies beyond the first {SEARCHED} bytes of the file"


def _header_tags(image: bytes, offset: int, length: int) -> tuple[tuple[int, int, bytes], ...]:
    tags, at, end = [], offset + HEADER.size, offset + length
    if end > len(image):
        raise BadHeader(f"the header at {offset:#x} goes beyond the end of the file")
    while at + HEADER_TAG.size <= end:
        kind, flags, size = HEADER_TAG.unpack_from(image, at)
        if size < HEADER_TAG.size or at + size > end:
            raise BadHeader(f"the header tag at {at:#x} has the impossible size {size}")
        data = image[at + HEADER_TAG.size:at + size]
        _check_tag(kind, flags, data)
        tags.append((kind, flags, data))
        if kind == END:
            return tuple(tags)
        at += size + 7 & ~7
    raise BadHeader("the header has no end tag (type 0, size 8)")


def _check_tag(kind: int, flags: int, data: bytes) -> None:
    if kind not in UNDERSTOOD and not flags & OPTIONAL:
        raise BadHeader(f"the header has a tag of type {kind}, which GRUB does not know")
    if kind == REQUEST and not flags & OPTIONAL:
        wanted = struct.unpack(f"<{len(data) // 4}I", data[:len(data) & ~3])
        missing = set(wanted) - AVAILABLE_TAGS
        if missing:
            raise BadHeader(f"the header asks for information {sorted(missing)}: GRUB has none")
    if kind == ENTRY and len(data) < 4:
        raise BadHeader("the header's entry tag has no room for an address")
    if kind == ADDRESS:
        raise BadHeader("the header has an address tag; the grader loads ELF by its segments")


def information(*, cmdline: str, loader: str, modules: Iterable[tuple[int, Module]],
                areas: Sequence[MemoryArea], image_base: int, more: Iterable[bytes] = ()) -> bytes:
    """The structure, with the modules at the given addresses; `more` are whole tags."""
    tags = [_tag(COMMAND_LINE, _text(cmdline)), _tag(LOADER_NAME, _text(loader)),
            *(_tag(MODULE, struct.pack("<II", start, start + len(module.data))
                   + _text(module.name)) for start, module in modules),
            _tag(IMAGE_BASE, struct.pack("<I", image_base)),
            _tag(MEMORY_SIZE, struct.pack("<II", *_sizes(areas))),
            _tag(MEMORY_MAP, struct.pack("<II", AREA.size, 0) + b"".join(
                AREA.pack(area.base, area.length, area.kind, 0) for area in areas)),
            *more, _tag(0, b"")]
    body = b"".join(each.ljust(len(each) + 7 & ~7, b"\0") for each in tags)
    return struct.pack("<II", len(body) + 8, 0) + body


def _tag(kind: int, data: bytes) -> bytes:
    return TAG.pack(kind, TAG.size + len(data)) + data


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _sizes(areas: Sequence[MemoryArea]) -> tuple[int, int]:
    """KiB of memory from 0, and from 1 MiB to the first hole."""
    def reach(start: int) -> int:
        return next((area.end - start for area in areas
                     if area.kind == AVAILABLE and area.base <= start < area.end), 0)
    return min(reach(0) >> 10, 640), min(reach(1 << 20) >> 10, 0xFFFF_FFFF)


def tags(structure: bytes) -> list[tuple[int, bytes]]:
    """The tags of an information structure as (type, whole tag)."""
    found, at = [], 8
    while at + TAG.size <= len(structure):
        kind, size = TAG.unpack_from(structure, at)
        if kind == 0 or size < TAG.size:
            break
        found.append((kind, structure[at:at + size]))
        at += size + 7 & ~7
    return found


def memory_map(structure: bytes) -> list[MemoryArea]:
    """The memory map in an information structure."""
    for kind, tag in tags(structure):
        if kind == MEMORY_MAP:
            size = struct.unpack_from("<I", tag, 8)[0]
            return [MemoryArea(*AREA.unpack_from(tag, at)[:3])
                    for at in range(16, len(tag) - AREA.size + 1, size)]
    return []
