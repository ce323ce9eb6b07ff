"""Exercises 2.4 to 2.6: a model of what an address space maps, compared with its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

from grade.lab2.kernel import OUT, Ask, Kernel, ask
from grade.machine import Machine, Mapping
from grade.machine.layout import PAGE, USER_END, USER_START, WINDOW_BASE, WORD
from grade.machine.paging import (ADDRESS, LARGE, LEVELS, NO_CACHE, NO_EXECUTE, PRESENT, USER,
                                  WRITABLE, WRITE_THROUGH, Visits, canonical, flags as flag_names,
                                  page_size, tables)
from grade.outcome import Failure, Outcome, equal, expect

MAP_FLAGS = (WRITABLE, USER, NO_EXECUTE, WRITE_THROUGH, NO_CACHE)
HALF = 1 << 47


class Page(NamedTuple):
    """A page that should be mapped."""

    va: int
    pa: int
    level: int
    flags: int

    @property
    def size(self) -> int:
        return page_size(self.level)

    @property
    def end(self) -> int:
        return self.va + self.size

    @property
    def entry(self) -> int:
        """The entry that maps it."""
        return self.pa | self.flags | PRESENT | (LARGE if self.level > 1 else 0)

    def __str__(self) -> str:
        return f"{self.va:#x} -> {self.pa:#x} ({size_name(self.size)}, {flag_names(self.entry)})"


def size_name(size: int) -> str:
    return {1 << 12: "4 KiB", 1 << 21: "2 MiB", 1 << 30: "1 GiB"}[size]


def in_kernel_half(va: int) -> bool:
    return va >= WINDOW_BASE


class Space:
    """What is mapped in one address space, by address."""

    def __init__(self, pages: Iterable[Page] = ()) -> None:
        self.pages = {page.va: page for page in pages}

    def add(self, page: Page) -> None:
        self.pages[page.va] = page

    def find(self, va: int) -> Page | None:
        """The page that contains va."""
        for level in (1, 2, 3):
            page = self.pages.get(va & -page_size(level))
            if page and page.level >= level:
                return page
        return None

    def overlaps(self, va: int, size: int) -> bool:
        return any(page.va < va + size and va < page.end for page in self.pages.values())

    def split(self, va: int) -> None:
        """Replace the large pages that contain va by smaller ones, down to 4 KiB."""
        while (page := self.find(va)) and page.level > 1:
            del self.pages[page.va]
            size = page_size(page.level - 1)
            for i in range(512):
                self.add(Page(page.va + i * size, page.pa + i * size, page.level - 1, page.flags))

    def tables(self) -> set[tuple[int, int]]:
        """The tables below the root that it takes, as (level, first address)."""
        return {(level - 1, page.va & -page_size(level)) for page in self.pages.values()
                for level in range(page.level + 1, LEVELS + 1)}


def random_flags(rng: Random, va: int) -> int:
    """Flags that a page at this address may have: never writable and executable at once."""
    chosen = sum(flag for flag in MAP_FLAGS if rng.random() < 0.5)
    if chosen & WRITABLE:
        chosen |= NO_EXECUTE
    return chosen & ~USER if in_kernel_half(va) else chosen


def random_address(rng: Random, level: int, near: Iterable[int] = ()) -> int:
    """Somewhere in either half where a page of this level may be; often near another."""
    known = list(near)
    while True:
        if known and rng.random() < 0.7:
            va = rng.choice(known) ^ rng.getrandbits(rng.choice((14, 16, 21, 25, 31, 40)))
        else:
            va = rng.choice((rng.getrandbits(48), USER_START, USER_END - PAGE, WINDOW_BASE,
                             WORD - PAGE))
        va = canonical(va & 2 * HALF - 1) & -page_size(level)
        if va + page_size(level) <= USER_END and va >= PAGE or in_kernel_half(va):
            return va


def random_page(rng: Random, level: int, near: Iterable[int] = ()) -> Page:
    va = random_address(rng, level, near)
    frame = rng.getrandbits(rng.choice((24, 32, 40, 52))) & ADDRESS & -page_size(level)
    return Page(va, frame, level, random_flags(rng, va))


def map_call(rng: Random, root: int, page: Page) -> Ask:
    """The call that maps a page: where there are two, one of them."""
    if page.level > 1:
        return ask("map_large_page", root, page.va, page.pa, page.flags, page.level)
    if page.flags & USER and rng.random() < 0.7:
        given = page.flags & ~USER if rng.random() < 0.7 else page.flags
        return ask("map_user_page", root, page.va, page.pa, given)
    return ask("map_page", root, page.va, page.pa, page.flags)


def unmap_call(root: int, va: int) -> Ask:
    return ask("unmap_page", root, va, OUT)


def compare(m: Machine, root: int, space: Space, when: str) -> None:
    """Fail the check unless the tables map what the model says, with the rights it says."""
    seen = {each.va: each for each in m.memory.mappings(cr3=root)}
    for va in sorted(seen.keys() | space.pages.keys()):
        page, mapping = space.pages.get(va), seen.get(va)
        if not page or not mapping or page.size != mapping.size or wrong(page, mapping):
            found = describe(mapping) if mapping else f"{va:#x} is not mapped"
            if not page and (around := space.find(va)):
                page = around
            raise Failure(Outcome.WRONG, f"{when}, the walk finds: {found}",
                          str(page) if page else f"nothing is mapped at {va:#x}",
                          details=path_lines(m, root, va))


def wrong(page: Page, mapping: Mapping) -> bool:
    """Does the page's own entry differ, or do the tables above take rights away?"""
    return (page.entry != mapping.entry or mapping.user != bool(page.flags & USER)
            or mapping.writable != bool(page.flags & WRITABLE)
            or mapping.executable == bool(page.flags & NO_EXECUTE))


def describe(mapping: Mapping) -> str:
    rights = [name for name, has in (("user", mapping.user), ("writable", mapping.writable),
                                     ("executable", mapping.executable)) if has]
    return (f"{mapping.va:#x} -> {mapping.pa:#x} ({size_name(mapping.size)}, "
            f"{flag_names(mapping.entry)}; all levels together: {' '.join(rights) or 'read only'})")


def path_lines(m: Machine, root: int, va: int) -> list[str]:
    """The entries on the way to an address, for people."""
    lines, table = [f"the walk to {va:#x}:"], root
    for level in range(LEVELS, 0, -1):
        index = va >> 12 + 9 * (level - 1) & 511
        if not m.phys.contains(table, PAGE):
            break
        entry = m.phys.u64(table + 8 * index)
        lines.append(f"  L{level}[{index}] = {entry:#018x} {flag_names(entry)}")
        if not entry & PRESENT or entry & LARGE:
            break
        table = entry & ADDRESS
    return lines


def table_entries(m: Machine, root: int) -> Iterator[tuple[int, int, int]]:
    """Every present entry as (level, index in the root, value)."""
    visits = Visits(m.phys)
    for top, entry in enumerate(m.phys.table(root)):
        if not entry & PRESENT:
            continue
        yield LEVELS, top, entry
        todo = [(LEVELS - 1, entry & ADDRESS)]
        while todo:
            visits.one()
            level, table = todo.pop()
            for value in m.phys.table(table):
                if value & PRESENT:
                    yield level, top, value
                    if level > 1 and not value & LARGE:
                        todo.append((level - 1, value & ADDRESS))


def check_no_user_bits(m: Machine, root: int) -> None:
    """No entry of any level in the kernel's half is open to ring 3."""
    for level, top, value in table_entries(m, root):
        expect(top < 256 or not value & USER,
               f"an entry of level {level} under L4[{top}], in the kernel's half, is {value:#x}: "
               "it has the U bit", "no U bit in any entry of the kernel's half")


def count_tables(m: Machine, root: int) -> int:
    """How many tables there are below the root."""
    found = [table for _, table in tables(m.phys, root)]
    expect(len(set(found)) == len(found), "one frame is used as a page table twice",
           "a frame of its own for each table")
    return len(found) - 1


def table_contents(m: Machine, root: int) -> dict[int, bytes]:
    """What is in each table, by its address."""
    return {table: m.phys.read(table, PAGE) for _, table in tables(m.phys, root)}


def check_tables(kernel: Kernel, root: int, right: int, free: int) -> None:
    """As many tables as it takes, and no other frame of those `free` at first is in use."""
    equal(count_tables(kernel.m, root), right, "the number of tables below the root")
    left = kernel.count_free()
    expect(left == free - right, f"{free - left} frames are in use for {right} tables",
           f"{right}: what is no longer a table is given back, once")
