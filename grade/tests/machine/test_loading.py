"""The loader's part: which kernels GRUB would load, what they are told, and where things lie."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from grade.machine.elf import Elf
from grade.machine.layout import MULTIBOOT2_HEADER_MAGIC
from grade.machine.loader import Space
from grade.machine.machine import Machine, MemoryArea, Module
from grade.machine.multiboot2 import BadHeader, check_header, information, memory_map, tags
from grade.machine.phys import PhysicalMemory, Ram
from grade.outcome import Failure
from grade.tests.machine.conftest import SOURCE, build


def header(*body: bytes, architecture: int = 0, wrong: int = 0) -> bytes:
    tags = b"".join(each.ljust(len(each) + 7 & ~7, b"\0") for each in body)
    length = 16 + len(tags)
    checksum = -(MULTIBOOT2_HEADER_MAGIC + architecture + length) + wrong & 0xFFFF_FFFF
    return struct.pack("<4I", MULTIBOOT2_HEADER_MAGIC, architecture, length, checksum) + tags


def tag(kind: int, data: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("<HHI", kind, flags, 8 + len(data)) + data


END = tag(0)


@pytest.mark.parametrize("image", [
    header(END),
    b"\0" * 32744 + header(END),
    header(tag(1, struct.pack("<2I", 6, 3)), END),
    header(tag(99, flags=1), END),
    header(END, wrong=1) + header(END),
])
def test_headers_that_grub_takes(image: bytes) -> None:
    assert check_header(image).offset % 8 == 0


@pytest.mark.parametrize("image, words", [
    (b"\0" * 4096, "no Multiboot2 header"),
    (b"\0" * 4 + header(END), "not aligned"),
    (b"\0" * 32768 + header(END), "beyond the first 32768 bytes"),
    (header(END, wrong=1), "checksum"),
    (header(END, architecture=4), "architecture"),
    (header(tag(6)), "no end tag"),
    (header(tag(99), END), "type 99"),
    (header(tag(1, struct.pack("<I", 17)), END), "asks for information"),
    (header(struct.pack("<HHI", 6, 0, 4) + END), "impossible size"),
])
def test_headers_that_grub_refuses(image: bytes, words: str) -> None:
    with pytest.raises(BadHeader, match=words):
        check_header(image)


def test_entry_tag() -> None:
    assert check_header(header(tag(3, struct.pack("<I", 0x123456)), END)).entry == 0x123456


def test_information() -> None:
    areas = [MemoryArea(0, 0x9FC00), MemoryArea(0x100000, 0x1000000), MemoryArea(0x1100000, 99, 2)]
    acpi = struct.pack("<II", 14, 13) + b"RSD P"
    data = information(cmdline="a b", loader="me", areas=areas, image_base=0x100000,
                       modules=[(0x200000, Module(b"xyz", "m 1"))], more=[acpi])
    assert struct.unpack_from("<II", data) == (len(data), 0) and len(data) % 8 == 0
    found = dict(tags(data))
    assert found[1][8:] == b"a b\0" and found[2][8:] == b"me\0"
    assert found[3][8:] == struct.pack("<II", 0x200000, 0x200003) + b"m 1\0"
    assert struct.unpack("<II", found[4][8:]) == (639, 0x4000)
    assert found[14] == acpi and memory_map(data) == areas
    assert data[-8:] == struct.pack("<II", 0, 8)


def overlaps(pieces: Sequence[tuple[int, int]]) -> bool:
    ordered = sorted(pieces)
    return any(a + size > b for (a, size), (b, _) in zip(ordered, ordered[1:]))


def test_random_places_never_overlap() -> None:
    memory = PhysicalMemory(Ram(4 << 20))
    areas = [MemoryArea(0, 0x9F000), MemoryArea(0x100000, 0x80000), MemoryArea(0x200000, 0x3001),
             MemoryArea(0x280000, 0x80000, 2)]
    for seed in range(200):
        rng = random.Random(seed)
        space = Space(areas, memory, rng)
        space.take(0x100000, 0x9000)
        taken = [(0x100000, 0x9000)]
        for _ in range(12):
            alignment = rng.choice([8, 4096])
            size = rng.randrange(1, 20000)
            start = space.place(size, alignment)
            assert start % alignment == 0
            assert any(area.base <= start and start + size <= area.end for area in areas[:3])
            taken.append((start, size))
        assert not overlaps(taken)
    with pytest.raises(Failure, match="no room"):
        space.place(0x100000, 8)


def test_places_differ_with_the_seed_only(kernel: Path) -> None:
    def place(seed: int) -> int:
        with Machine(kernel, rng=random.Random(seed)) as m:
            return m.information
    assert place(1) == place(1) != place(2)


def refused(path: Path) -> str:
    with pytest.raises(Failure, match="GRUB would not load") as caught, Machine(path):
        pass
    return caught.value.seen


def test_kernels_that_are_refused(kernel: Path, tmp_path: Path) -> None:
    source = tmp_path / "kernel.asm"
    source.write_text(SOURCE.read_text().replace("dd 0xe85250d6, 0", "dd 0xe85250d7, 0"))
    assert "no Multiboot2 header" in refused(build(tmp_path, source))
    image = bytearray(kernel.read_bytes())
    struct.pack_into("<Q", image, 64 + 24, 0x10000000)
    far = tmp_path / "far.elf"
    far.write_bytes(image)
    assert Elf(far).segments[0].pa == 0x10000000
    assert "does not lie in free memory" in refused(far)
