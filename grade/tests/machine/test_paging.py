"""The walker against tables built by hand, and against QEMU's own translation."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grade.machine import paging
from grade.machine.layout import KERNEL_BASE
from grade.machine.machine import Machine
from grade.machine.paging import (GLOBAL, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE, explain,
                                  mappings, merged, table_frames, walk)
from grade.machine.phys import FOUR_GIB, SPLIT, OutsideRam, PhysicalMemory, Ram
from grade.outcome import Failure

ALL = PRESENT | WRITABLE | USER
ROOT, L3, L2, L1 = 0x1000, 0x2000, 0x3000, 0x4000


@pytest.fixture
def memory() -> PhysicalMemory:
    """One page of each size at and above 0, and a small one at the end of the address space."""
    memory = PhysicalMemory(Ram(64 << 20))
    memory.set_u64(ROOT, L3 | ALL)
    memory.set_u64(L3, L2 | ALL)
    memory.set_u64(L3 + 8, 0x40000000 | ALL | LARGE | GLOBAL)
    memory.set_u64(L2, L1 | PRESENT | USER)
    memory.set_u64(L2 + 8, 0x200000 | 1 << 12 | ALL | LARGE | NO_EXECUTE)
    memory.set_u64(L1 + 8, 0x9000 | ALL)
    memory.set_u64(L1 + 16, 0xA000 | WRITABLE)
    memory.set_u64(ROOT + 8 * 511, 0x5000 | PRESENT | WRITABLE | NO_EXECUTE)
    memory.set_u64(0x5000 + 8 * 510, 0x6000 | ALL)
    memory.set_u64(0x6000, 0x7000 | ALL)
    memory.set_u64(0x7000, 0x8000 | ALL)
    return memory


def test_every_page_size(memory: PhysicalMemory) -> None:
    small, large, huge, high = mappings(memory, ROOT)
    assert (small.va, small.pa, small.size) == (0x1000, 0x9000, 1 << 12)
    assert (large.va, large.pa, large.size, large.large) == (0x200000, 0x200000, 1 << 21, True)
    assert (huge.va, huge.pa, huge.size) == (1 << 30, 1 << 30, 1 << 30)
    assert (high.va, high.pa) == (KERNEL_BASE, 0x8000)


def test_rights_are_those_of_all_levels_together(memory: PhysicalMemory) -> None:
    rights = [page[3:7] for page in mappings(memory, ROOT)]
    assert rights == [(False, True, True, False),  # L2 withholds W
                      (True, True, False, False),  # NX at the leaf
                      (True, True, True, True),
                      (True, False, False, False)]  # L4 withholds U, and its NX goes for all


def test_walk_agrees_with_mappings(memory: PhysicalMemory) -> None:
    for page in mappings(memory, ROOT):
        for offset in (0, 1, page.size - 1):
            found = walk(memory, ROOT, page.va + offset)
            assert found and found.pa == page.pa + offset and found.frame == page.pa
            assert found.size == page.size and found.leaf.value == page.entry
            assert page[3:7] == (found.writable, found.user, found.executable, found.global_)


@pytest.mark.parametrize("va", [0, 0x2000, 0x400000, 2 << 30, 1 << 47, KERNEL_BASE + 0x1000,
                                0x8000_0000_0000_1000, 0x0001_0000_0000_1000])
def test_what_is_not_mapped(memory: PhysicalMemory, va: int) -> None:
    assert walk(memory, ROOT, va) is None
    assert "not" in explain(memory, ROOT, va)


def test_table_frames(memory: PhysicalMemory) -> None:
    assert table_frames(memory, ROOT) == {ROOT, L3, L2, L1, 0x5000, 0x6000, 0x7000}


def test_control_bits_of_cr3_are_ignored(memory: PhysicalMemory) -> None:
    assert mappings(memory, ROOT | 0x18) == mappings(memory, ROOT)


def test_half_of_the_tables(memory: PhysicalMemory) -> None:
    assert [page.va for page in mappings(memory, ROOT, 256, 511)] == [KERNEL_BASE]


def test_neighbours_are_merged(memory: PhysicalMemory) -> None:
    for i in range(8, 20):
        memory.set_u64(L1 + 8 * i, 0x100000 + 0x1000 * i | PRESENT)
    pages = mappings(memory, ROOT)
    assert len(pages) == 4 + 12
    run = merged(pages)[1]
    assert (run.va, run.end, run.pa) == (0x8000, 0x14000, 0x108000)
    assert str(run) == "0x8000..0x14000 -> 0x108000 --x"


def test_rubbish_is_named_and_not_followed(memory: PhysicalMemory) -> None:
    memory.write(ROOT, b"\xa5" * 4096)
    for look in (lambda: mappings(memory, ROOT), lambda: walk(memory, ROOT, 0x400000),
                 lambda: table_frames(memory, ROOT)):
        with pytest.raises(Failure):
            look()
    with pytest.raises(Failure, match="CR3 leads to a level 4 table"):
        walk(memory, 1 << 40, 0)


def test_tables_that_contain_themselves_end(memory: PhysicalMemory,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_LEAVES", 1 << 16)
    memory.set_u64(ROOT + 8 * 300, ROOT | ALL)
    assert len(mappings(memory, ROOT)) > 4
    for i in range(512):
        memory.set_u64(ROOT + 8 * i, ROOT | ALL)
    with pytest.raises(Failure, match="more than") as caught:
        mappings(memory, ROOT)
    assert "its own child" in caught.value.hint


@pytest.mark.parametrize("walk_all", [mappings, table_frames])
def test_empty_children_without_number(memory: PhysicalMemory,
                                       walk_all: Callable[[PhysicalMemory, int], object]) -> None:
    """Every entry of three levels leads to one table, and there is no page: 512 ^ 3 empty tables
    would be walked."""
    for table, below in ((ROOT, L3), (L3, L2), (L2, L1)):
        for slot in range(512):
            memory.set_u64(table + 8 * slot, below | ALL)
    memory.write(L1, bytes(4096))
    with pytest.raises(Failure, match="not so many frames"):
        walk_all(memory, ROOT)


def test_a_walk_is_fast(memory: PhysicalMemory) -> None:
    """32768 pages in less than a generous time: a check may look at all of memory."""
    for i in range(64):
        memory.set_u64(L2 + 8 * (i + 100), 0x100000 + 0x1000 * i | ALL)
        for j in range(512):
            memory.set_u64(0x100000 + 0x1000 * i + 8 * j, j << 12 | ALL)
    began = time.process_time()
    assert len(mappings(memory, ROOT)) == 4 + 32768
    assert time.process_time() - began < 1


def test_memory_beyond_the_hole() -> None:
    """RAM beyond 3 GiB continues at 4 GiB; none of it costs anything until it is used."""
    memory = PhysicalMemory(Ram(6 << 30))
    memory.set_u64(FOUR_GIB, 1)
    memory.set_u64(FOUR_GIB + (3 << 30) - 8, 2)
    assert memory.u64(FOUR_GIB) == 1 and memory.table(FOUR_GIB)[0] == 1
    assert memory.u64(FOUR_GIB + (3 << 30) - 8) == 2
    for pa, size in ((SPLIT, 1), (SPLIT - 4, 8), (FOUR_GIB - 1, 1), (FOUR_GIB + (3 << 30), 1),
                     (-8, 8)):
        with pytest.raises(OutsideRam):
            memory.read(pa, size)


def test_against_qemu(kernel: Path) -> None:
    rng = random.Random(3)
    with Machine(kernel) as m:
        m.run_to("kmain")
        vas = [rng.randrange(1 << 31) for _ in range(40)]
        for va in [*vas, (1 << 30) - 1, 1 << 30, 0, KERNEL_BASE]:
            said = re.search(r"gpa: (?:0x)?([0-9a-f]+)", m.session.qmp.monitor(f"gva2gpa {va:#x}"))
            found = m.memory.walk(va)
            assert (int(said[1], 16) if said else None) == (found.pa if found else None)
        assert len(m.memory.mappings()) == 512
        assert m.memory.table_frames() == {m.sym("level4"), m.sym("level3"), m.sym("level2")}
