"""Kernel files in which anything may be wrong: said in words, soon, and never our own accident."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grade import toolchain
from grade.machine import msr, structures
from grade.machine.elf import BadElf, Elf
from grade.machine.multiboot2 import BadHeader, check_header
from grade.machine.symbols import Symbols
from grade.outcome import Failure, Outcome

EDGES = (0, 1, 0x3F, 0xFFFF, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
STRUCTURE = """
typedef const volatile struct inner { int a; char name[17]; } inner_t;
enum state { UNUSED, READY };
struct outer { long first; inner_t inner; union { int x; char y; }; unsigned char data[3][5]; };
struct outer thing; enum state state;
"""


def damaged(image: bytes, ranges: list[tuple[int, int]], rng: random.Random) -> bytes:
    """A few words, bytes or edges changed, in these parts of the file."""
    changed = bytearray(image)
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        start, end = rng.choice(ranges)
        at = rng.randrange(start, max(end, start + 1))
        size = rng.choice((1, 2, 4, 8))
        value = rng.choice((rng.choice(EDGES), rng.getrandbits(8 * size), rng.randrange(0x400)))
        changed[at:at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(changed)


def tables(image: bytes) -> list[tuple[int, int]]:
    """Where a file has its headers, its symbols, and everything."""
    program, section = struct.unpack_from("<QQ", image, 32)
    size, count, each, sections = struct.unpack_from("<HHHH", image, 54)
    return [(0, 64), (program, program + size * count), (section, section + each * sections),
            (0, len(image)), (0x1000, 0x1040)]


def mutants(image: bytes, ranges: list[tuple[int, int]], number: int, path: Path
            ) -> Iterator[Path]:
    for seed in range(number):
        path.write_bytes(damaged(image, ranges, random.Random(seed)))
        yield path


def look_everywhere(path: Path) -> None:
    """All that the grader reads of a kernel's file."""
    symbols = Symbols(path)
    for address in (0, symbols.elf.entry, symbols.elf.entry_va, 1 << 63, (1 << 64) - 1):
        symbols.function(address)
        symbols.object(address)
    msr.places(symbols.elf)
    check_header(symbols.elf.bytes)


def test_a_damaged_kernel_is_refused_in_words(kernel: Path, tmp_path: Path) -> None:
    image = kernel.read_bytes()
    good = 0
    for mutant in mutants(image, tables(image), 1500, tmp_path / "mutant.elf"):
        try:
            look_everywhere(mutant)
            good += 1
        except (BadElf, BadHeader) as refusal:
            assert str(refusal)
    assert 100 < good < 1400
    for length in range(0, len(image), 97):
        (tmp_path / "cut.elf").write_bytes(image[:length])
        with pytest.raises((BadElf, BadHeader)):
            look_everywhere(tmp_path / "cut.elf")


@pytest.mark.parametrize("offset, value, words", [
    (40, 1 << 60, "section headers"),
    (32, 1 << 60, "program headers"),
    (54, 8, "has 8 bytes"),
    (56, 0xFFFF, "program headers"),
    (60, 0xFFFF, "section headers"),
])
def test_what_is_wrong_is_named(kernel: Path, tmp_path: Path, offset: int, value: int,
                                words: str) -> None:
    image, path = bytearray(kernel.read_bytes()), tmp_path / "kernel.elf"
    struct.pack_into("<Q" if value >> 16 else "<H", image, offset, value)
    path.write_bytes(image)
    with pytest.raises(BadElf, match=words):
        Symbols(path)


def test_too_many_symbols(tmp_path: Path) -> None:
    source = tmp_path / "many.s"
    source.write_text("\n".join(f"s{i}: .globl s{i}" for i in range(100_001)))
    subprocess.run([toolchain.tool("as"), "-o", tmp_path / "many.o", source], check=True)
    with pytest.raises(BadElf, match="less than 100000"):
        Elf(tmp_path / "many.o").symbols


def debug_sections(image: bytes, path: Path) -> list[tuple[int, int]]:
    from elftools.elf.elffile import ELFFile
    with path.open("rb") as file:
        return [(each["sh_offset"], each["sh_offset"] + each["sh_size"])
                for each in ELFFile(file).iter_sections() if each.name.startswith(".debug")]


@pytest.fixture(scope="module")
def debugged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program whose debug information tells of structures."""
    path = tmp_path_factory.mktemp("debug") / "process.c"
    path.write_text(STRUCTURE + "void _start(void) { for (;;) thing.first++; }\n")
    subprocess.run([toolchain.tool("gcc"), "-g", "-O1", "-nostdlib", "-static", "-o",
                    path.with_suffix(".elf"), path], check=True)
    return path.with_suffix(".elf")


def structure_of(path: Path) -> structures.Structure:
    return structures.structure(path, "outer", "process.c")


def states_of(path: Path) -> dict[str, int]:
    return structures.enumeration(path, "state", "process.c")


def test_structures_are_found(debugged: Path) -> None:
    found = structure_of(debugged)
    assert found.fields["inner.name"] == (12, 17, 17) and found.fields["data"].size == 15
    assert states_of(debugged) == {"UNUSED": 0, "READY": 1}


@pytest.mark.parametrize("ask", [structure_of, states_of])
def test_damaged_debug_information(debugged: Path, tmp_path: Path,
                                   ask: Callable[[Path], object]) -> None:
    """What cannot be read is a failure of the build."""
    image = debugged.read_bytes()
    ranges = debug_sections(image, debugged)
    failed = 0
    for mutant in mutants(image, ranges, 250, tmp_path / "mutant.elf"):
        try:
            ask(mutant)
        except Failure as failure:
            assert failure.outcome in (Outcome.BUILD_ERROR, Outcome.WRONG)
            failed += 1
    assert failed > 20


def test_lines_of_damaged_debug_information(debugged: Path, tmp_path: Path) -> None:
    """Of a backtrace only the lines are missing."""
    image = debugged.read_bytes()
    start = Elf(debugged).entry_va
    for mutant in mutants(image, debug_sections(image, debugged), 25, tmp_path / "mutant.elf"):
        assert "_start" in Symbols(mutant).where(start)
