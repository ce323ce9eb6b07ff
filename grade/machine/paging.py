"""Page tables walked as the processor does (Intel SDM vol. 3A 4.5), over physical memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from grade.machine import layout
from grade.machine.layout import PAGE
from grade.machine.phys import PhysicalMemory
from grade.outcome import Failure, Outcome

PRESENT, WRITABLE, USER = layout.PTE_PRESENT, layout.PTE_WRITABLE, layout.PTE_USER
WRITE_THROUGH, NO_CACHE = layout.PTE_WRITE_THROUGH, layout.PTE_CACHE_DISABLE
ACCESSED, DIRTY, LARGE = layout.PTE_ACCESSED, layout.PTE_DIRTY, layout.PTE_LARGE
GLOBAL, NO_EXECUTE, ADDRESS = layout.PTE_GLOBAL, layout.PTE_NO_EXECUTE, layout.PTE_FRAME_MASK
LEVELS = 4
HALF, LAST = 256, 511  # of a level-4 table: where the kernel's half begins, and its last entry
MOST_LEAVES = 1 << 20

FLAG_NAMES = {PRESENT: "P", WRITABLE: "W", USER: "U", WRITE_THROUGH: "PWT", NO_CACHE: "PCD",
              ACCESSED: "A", DIRTY: "D", LARGE: "PS", GLOBAL: "G", NO_EXECUTE: "NX"}


class Mapping(NamedTuple):
    """A leaf: a page with the permissions that all levels together leave it."""

    va: int
    pa: int
    size: int
    writable: bool
    user: bool
    executable: bool
    global_: bool
    entry: int  # the leaf's own entry, for the bits not spelled out

    @property
    def large(self) -> bool:
        return self.size > PAGE

    @property
    def end(self) -> int:
        return self.va + self.size

    def __str__(self) -> str:
        rights = "".join(letter if has else "-" for letter, has in (
            ("u", self.user), ("w", self.writable), ("x", self.executable)))
        return f"{self.va:#x}..{self.end:#x} -> {self.pa:#x} {rights}"


class Entry(NamedTuple):
    """An entry that a walk went through."""

    level: int  # 4 for PML4 down to 1
    table: int
    slot: int
    value: int

    @property
    def pa(self) -> int:
        """Where the entry itself lies."""
        return self.table + 8 * self.slot

    def __str__(self) -> str:
        return f"L{self.level}[{self.slot}] = {self.value:#x} ({flags(self.value)})"


@dataclass(frozen=True)
class Translation:
    """Where one virtual address leads, and through which entries."""

    va: int
    pa: int
    size: int
    writable: bool
    user: bool
    executable: bool
    global_: bool
    entries: tuple[Entry, ...]  # from level 4 down to the leaf

    @property
    def leaf(self) -> Entry:
        return self.entries[-1]

    @property
    def frame(self) -> int:
        """Where the page begins in physical memory."""
        return self.pa & ~(self.size - 1)


def flags(entry: int) -> str:
    """The names of the bits that are set."""
    return " ".join(name for bit, name in FLAG_NAMES.items() if entry & bit)


def page_size(level: int) -> int:
    """How much one entry of a table of this level covers."""
    return 1 << 12 + 9 * (level - 1)


def index(va: int, level: int) -> int:
    return va >> 12 + 9 * (level - 1) & 511


def canonical(va: int) -> int:
    """Bit 47 copied upwards."""
    return va | 0xFFFF_0000_0000_0000 if va >> 47 & 1 else va


def path(memory: PhysicalMemory, cr3: int, va: int) -> list[Entry]:
    """The entries that the processor reads for va, as far as it gets: the last one may be the
    leaf, or one that is not present."""
    table = cr3 & ADDRESS
    found: list[Entry] = []
    for level in range(LEVELS, 0, -1):
        _check(memory, table, level, found[-1] if found else None)
        at = index(va, level)
        found.append(Entry(level, table, at, memory.u64(table + 8 * at)))
        if _ends(found[-1].value, level):
            break
        table = found[-1].value & ADDRESS
    return found


def _ends(entry: int, level: int) -> bool:
    """Nothing lies below this entry."""
    return not entry & PRESENT or level == 1 or bool(level < LEVELS and entry & LARGE)


def walk(memory: PhysicalMemory, cr3: int, va: int) -> Translation | None:
    """Translate va, or None where it is not mapped."""
    if canonical(va & (1 << 48) - 1) != va:
        return None
    entries = path(memory, cr3, va)
    leaf = entries[-1]
    if not leaf.value & PRESENT:
        return None
    size = page_size(leaf.level)
    every, some = -1, 0
    for each in entries:
        every, some = every & each.value, some | each.value
    pa = (leaf.value & ADDRESS & ~(size - 1)) + (va & size - 1)
    return Translation(va, pa, size, bool(every & WRITABLE), bool(every & USER),
                       not some & NO_EXECUTE, bool(leaf.value & GLOBAL), tuple(entries))


def mappings(memory: PhysicalMemory, cr3: int, first: int = 0, last: int = 511) -> list[Mapping]:
    """Every page that is mapped through the entries first..last of the top table."""
    found: list[Mapping] = []
    _check(memory, cr3 & ADDRESS, LEVELS, None)
    _collect(memory, cr3 & ADDRESS, LEVELS, 0, WRITABLE | USER, found, Visits(memory),
             range(first, last + 1))
    return found


class Visits:
    """Counts the tables of a walk. Each is a frame, so there cannot be more of them than frames: a
    walk that goes on is in a table that is its own child, or the child of many."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._most = self._left = memory.size // PAGE

    def one(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Failure(Outcome.WRONG, f"a walk through the page tables comes to more than "
                          f"{self._most} tables, and the machine has not so many frames",
                          "tables of which each hangs in one place",
                          hint="is a table its own child, or were its entries not zeroed?")


def _collect(memory: PhysicalMemory, table: int, level: int, base: int, rights: int,
             found: list[Mapping], visits: Visits, wanted: range = range(512)) -> None:
    """Add the leaves under a table. rights: W and U that the levels above grant, and their NX."""
    visits.one()
    size = page_size(level)
    entries = memory.table(table)
    for i in wanted:
        entry = entries[i]
        if not entry & PRESENT:
            continue
        granted = rights & entry & (WRITABLE | USER) | (rights | entry) & NO_EXECUTE
        va = base + i * size
        if not _ends(entry, level):
            below = entry & ADDRESS
            _check(memory, below, level - 1, Entry(level, table, i, entry))
            _collect(memory, below, level - 1, va, granted, found, visits)
        else:
            found.append(Mapping(
                canonical(va), entry & ADDRESS & ~(size - 1), size, granted & WRITABLE != 0,
                granted & USER != 0, granted & NO_EXECUTE == 0, entry & GLOBAL != 0, entry))
    if len(found) > MOST_LEAVES:
        raise Failure(Outcome.WRONG, f"the page tables map more than {MOST_LEAVES} pages",
                      "tables of a sensible size",
                      hint="is a table its own child, or are its entries not zeroed?")


def tables(memory: PhysicalMemory, cr3: int) -> Iterator[tuple[int, int]]:
    """Every table as (level, physical address), the top one first; one used twice comes twice."""
    todo, visits = [(LEVELS, cr3 & ADDRESS)], Visits(memory)
    while todo:
        visits.one()
        level, table = todo.pop()
        _check(memory, table, level, None)
        yield level, table
        if level > 1:
            todo += [(level - 1, entry & ADDRESS) for entry in memory.table(table)
                     if not _ends(entry, level)]


def table_frames(memory: PhysicalMemory, cr3: int) -> set[int]:
    """The frames that hold page tables."""
    return {table for _, table in tables(memory, cr3)}


def merged(pages: list[Mapping]) -> list[Mapping]:
    """Neighbours with the same rights and continuous addresses made one, to be read by people."""
    found: list[Mapping] = []
    for page in sorted(pages):
        before = found[-1] if found else None
        if before and before.end == page.va and before.pa + before.size == page.pa \
                and before[3:7] == page[3:7]:
            found[-1] = before._replace(size=before.size + page.size)
        else:
            found.append(page)
    return found


def explain(memory: PhysicalMemory, cr3: int, va: int) -> str:
    """In words: how va is mapped, or why it is not."""
    if canonical(va & (1 << 48) - 1) != va:
        return f"{va:#x} is not a canonical address"
    try:
        found = walk(memory, cr3, va)
        last = path(memory, cr3, va)[-1]
    except Failure as broken:
        return broken.seen
    if not found:
        return f"{va:#x} is not mapped: {last}"
    rights = [name for name, has in (("user", found.user), ("writable", found.writable),
                                     ("executable", found.executable)) if has]
    return f"{va:#x} is mapped to {found.pa:#x}, {', '.join(rights) or 'read-only'}"


def _check(memory: PhysicalMemory, table: int, level: int, entry: Entry | None) -> None:
    """A table must lie in RAM: whoever walks on reads nonsense."""
    if not memory.contains(table, PAGE):
        source = str(entry) if entry else "CR3"
        raise Failure(Outcome.WRONG, f"{source} leads to a level {level} table at {table:#x},"
                      " where there is no RAM", "page tables that lie in RAM",
                      hint="a table whose frame was not zeroed is full of such entries")
