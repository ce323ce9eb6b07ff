"""Exercises 2.5 and 2.6: calls that must change an address space, or must change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, Union

from grade.lab2.kernel import Ask, Kernel, ask
from grade.lab2.memory_maps import MIB
from grade.lab2.address_space import (HALF, Page, Space, compare, in_kernel_half, map_call,
                                      random_address, random_flags, random_page, table_contents,
                                      unmap_call)
from grade.machine import Machine
from grade.machine.layout import PAGE, USER_END, WINDOW_BASE
from grade.machine.paging import (ACCESSED, GLOBAL, LARGE, LEVELS, NO_EXECUTE, PRESENT, USER,
                                  WRITABLE, page_size)
from grade.outcome import equal, expect

WRITE = WRITABLE | NO_EXECUTE
MAPPED = "for a page that is mapped"


class Change(NamedTuple):
    """A call, the error it must return, what it must hand back, and words about it."""

    asked: Ask
    error: str = "OK"
    out: Union[int, None] = None
    words: str = ""


def refusals(root: int, space: Space) -> list[Change]:
    """Calls that map nothing, each with the error for it. Where several apply, the first counts.
    The space has a page of each size, and a small one in the kernel's half."""
    small, large, huge = (next(page for page in space.pages.values() if page.level == level
                               and not in_kernel_half(page.va)) for level in (1, 2, 3))
    high = next(page.va for page in space.pages.values() if in_kernel_half(page.va))
    free = small.va + PAGE
    page, user, big = "map_page", "map_user_page", "map_large_page"
    calls: list[tuple[str, str, tuple[int, ...]]] = [
        ("ERROR_NOT_CANONICAL", page, (HALF, 0, WRITE)),
        ("ERROR_NOT_CANONICAL", page, (HALF + 1, 1 << 52, GLOBAL)),
        ("ERROR_NOT_CANONICAL", user, (WINDOW_BASE - PAGE, 0, WRITE)),
        ("ERROR_NOT_CANONICAL", big, (1 << 62, 0, WRITE, 2)),
        ("ERROR_UNALIGNED", page, (free + 8, 0, WRITE)),
        ("ERROR_UNALIGNED", page, (free, 0x800, WRITE)),
        ("ERROR_UNALIGNED", page, (0x10, 1 << 52, GLOBAL)),
        ("ERROR_UNALIGNED", big, (large.end + PAGE, 0, WRITE, 2)),
        ("ERROR_UNALIGNED", big, (large.end, PAGE, WRITE, 2)),
        ("ERROR_UNALIGNED", big, (huge.end, 0x200000, WRITE, 3)),
        ("ERROR_PAGE_ZERO", page, (0, 1 << 52, GLOBAL)),
        ("ERROR_PAGE_ZERO", user, (0, PAGE, WRITE)),
        ("ERROR_PAGE_ZERO", big, (0, 0, WRITE, 2)),
        ("ERROR_NOT_USER", page, (USER_END, 1 << 52, GLOBAL)),
        ("ERROR_NOT_USER", user, (high + PAGE, 0, WRITE)),
        ("ERROR_NOT_USER", big, (HALF - page_size(2), 0, WRITE, 2)),
        ("ERROR_NOT_USER", big, (HALF - page_size(3), 0, WRITE, 3)),
        ("ERROR_PHYSICAL_RANGE", page, (free, 1 << 52, GLOBAL)),
        ("ERROR_PHYSICAL_RANGE", big, (large.end, 1 << 63, WRITE, 2)),
        ("ERROR_FLAGS", page, (small.va, 0, WRITE | GLOBAL)),
        *(("ERROR_FLAGS", page, (free, 0, WRITE | flag)) for flag in (
            PRESENT, ACCESSED, LARGE, 1 << 9, 1 << 12, 1 << 52)),
        ("ERROR_FLAGS", page, (high + PAGE, 0, WRITE | USER)),
        ("ERROR_FLAGS", page, (free, 0, WRITABLE)),
        ("ERROR_FLAGS", big, (large.end, 0, WRITABLE | USER, 2)),
    ]
    there = [
        ("where this very page is", page, (small.va, small.pa, small.flags)),
        ("where a page is, in the kernel's half", page, (high, 0, 0)),
        ("inside a large page of 2 MiB", user, (large.va + 7 * PAGE, 0, WRITE)),
        ("inside a large page of 1 GiB", page, (huge.va + 99 * PAGE, 0, WRITE)),
        ("where a large page is", big, (large.va, large.pa, WRITE, 2)),
        ("inside a large page of 1 GiB", big, (huge.va + large.size, 0, WRITE, 2)),
        ("where there is a table with a page in it", big, (small.va & -page_size(2), 0, WRITE, 2)),
        ("where there is a table with a page in it", big, (small.va & -page_size(3), 0, WRITE, 3)),
    ]
    return [Change(ask(function, root, *arguments), error) for error, function, arguments in calls
            ] + [Change(ask(function, root, *arguments), "ERROR_ALREADY_MAPPED", words=words)
                 for words, function, arguments in there]


class Changes:
    """Random maps, unmaps and protects of 4 KiB pages, made in the model as they are chosen."""

    def __init__(self, rng: Random, root: int) -> None:
        self.rng, self.root, self.space = rng, root, Space()
        self.kept: set[tuple[int, int]] = set()  # level-3 tables of the kernel's half

    def choose(self, number: int) -> list[Change]:
        """So many calls, each with its error and what it hands back."""
        return [self.rng.choice((self.map, self.map, self.map, self.unmap, self.unmap,
                                 self.protect, self.refused))() for _ in range(number)]

    def map(self) -> Change:
        page = random_page(self.rng, 1, self.space.pages)
        call = map_call(self.rng, self.root, page)
        if page.va in self.space.pages:
            return Change(call, "ERROR_ALREADY_MAPPED")
        self.space.add(page)
        if in_kernel_half(page.va):
            self.kept.add((LEVELS - 1, page.va & -page_size(LEVELS)))
        return Change(call)

    def unmap(self) -> Change:
        if not self.space.pages:
            return self.map()
        page = self.space.pages.pop(self.rng.choice(list(self.space.pages)))
        return Change(unmap_call(self.root, page.va), "OK", page.pa, MAPPED)

    def protect(self) -> Change:
        if not self.space.pages:
            return self.map()
        page = self.space.pages[self.rng.choice(list(self.space.pages))]
        flags = random_flags(self.rng, page.va)
        self.space.add(page._replace(flags=flags))
        return Change(ask("protect_page", self.root, page.va, flags), words=MAPPED)

    def refused(self) -> Change:
        """An unmap or a protect that must fail, and change nothing."""
        va = random_address(self.rng, 1, self.space.pages)
        error = "ERROR_NOT_MAPPED"
        if va in self.space.pages or self.rng.random() < 0.3:
            va, error = self.rng.choice(((va + 8, "ERROR_UNALIGNED"),
                                         (va ^ 1 << 50, "ERROR_NOT_CANONICAL")))
        if self.rng.random() < 0.2:
            return Change(ask("protect_page", self.root, va, WRITABLE), "ERROR_FLAGS")
        return Change(self.rng.choice((unmap_call(self.root, va),
                                       ask("protect_page", self.root, va, NO_EXECUTE))), error)

    def tables(self) -> int:
        """How many tables there must be below the root."""
        return len(self.space.tables() | self.kept)


def make(kernel: Kernel, changes: Sequence[Change], when: str = "") -> None:
    """Make the calls, and compare what comes of each."""
    for reply, change in zip(kernel.all([each.asked for each in changes]), changes):
        reply.demand(change.error, change.words or when)
        if change.out is not None:
            equal(reply.out, change.out, f"*frame after {change.asked}")


def check_two_neighbours(kernel: Kernel, root: int, va: int) -> None:
    """Two pages in the same tables: when one goes the other stays, and with it all goes."""
    pages = [Page(va, PAGE, 1, WRITE), Page(va + PAGE, 2 * PAGE, 1, WRITE)]
    make(kernel, [Change(ask("map_page", root, page.va, page.pa, page.flags)) for page in pages])
    make(kernel, [Change(unmap_call(root, pages[0].va), "OK", pages[0].pa)])
    compare(kernel.m, root, Space(pages[1:]), "after the first of two neighbours was unmapped")
    make(kernel, [Change(unmap_call(root, pages[1].va), "OK", pages[1].pa)])
    left = next((entry for entry in kernel.m.phys.table(root) if entry), 0)
    expect(not left, f"after the last of its pages was unmapped an entry of the root is {left:#x}",
           "0: where nothing is mapped no table is left")


FRAMES = {1: 0x5000, 2: 48 * MIB, 3: 0}  # pages of each size, in memory that is really there


def one_of_each(rng: Random) -> Space:
    """A space with a page of each size in the user's half, and a small one in the kernel's."""
    tops = rng.sample(range(4, 200, 4), 3)
    pages = [Page(((top << 39) + (rng.randrange(1, 500) << 30) + (level << 21)) & -page_size(level),
                  FRAMES[level], level, WRITE | rng.choice((0, USER)))
             for top, level in zip(tops, FRAMES)]
    high = WINDOW_BASE + (rng.randrange(4, 200, 4) << 39)
    return Space([*pages, Page(high, 0x5000, 1, 0)])


def clear_frames(m: Machine) -> None:
    """In the large pages' memory there is nothing that could be taken for a table's entries."""
    for frame in FRAMES.values():
        m.phys.write(frame, bytes(PAGE))


def check_frames(m: Machine) -> None:
    """Nobody took a page for a table and wrote to it."""
    for level, frame in FRAMES.items():
        written = next((entry for entry in m.phys.table(frame) if entry), 0)
        expect(not written, f"{written:#x} was written into the memory of a page, of level {level}",
               "a large page is no table: what it maps is not touched")


def check_too_few_frames(kernel: Kernel, root: int, small: int) -> None:
    """Maps for which one, two and three tables are lacking, with fewer frames than that free:
    `small` is an address whose tables are there. Nothing happens, and no frame is lost."""
    held = kernel.drain()
    before = table_contents(kernel.m, root)
    for lacking, distance in ((1, 1 << 22), (2, 1 << 31), (3, 1 << 40)):
        for have in range(lacking):
            kernel.give_back(held[:have])
            when = f"where {lacking} tables are lacking and {have} frames free"
            make(kernel, [Change(ask("map_page", root, small ^ distance, 0, WRITE),
                                 "ERROR_NO_FRAMES")], when)
            left = kernel.frames_free()
            expect(left == have, f"map_page fails {when}, and then {left} frames are free",
                   f"{have}: tables that were made in vain are given back")
            expect(table_contents(kernel.m, root) == before,
                   f"map_page fails {when}, and has changed the tables",
                   "nothing is changed on an error")
            kernel.frames(have)
    kernel.give_back(held)


def inside_large_pages(rng: Random, root: int, space: Space, large: Sequence[Page]
                       ) -> list[Change]:
    """Unmap and protect single pages of these large ones; the model does the same."""
    changes = []
    for page in rng.choices(large, k=8):
        va = page.va + rng.randrange(page.size // PAGE) * PAGE
        space.split(va)
        part = space.pages.get(va)
        if part and rng.random() < 0.5:
            changes.append(Change(unmap_call(root, va), "OK", part.pa))
            del space.pages[va]
        elif part:
            flags = random_flags(rng, va)
            changes.append(Change(ask("protect_page", root, va, flags)))
            space.add(part._replace(flags=flags))
    return changes


def check_large_without_frames(kernel: Kernel, root: int, large: Sequence[Page]) -> None:
    """A large page that cannot be split stays what it is: its parts too, where one split of two
    was possible."""
    held = kernel.drain()
    for page in large:
        for have in range(page.level - 1):
            kernel.give_back(held[:have])
            when = f"in a page of {page.size >> 20} MiB, with {have} frames free"
            va = page.va + 7 * PAGE
            make(kernel, [Change(call, "ERROR_NO_FRAMES") for call in (
                unmap_call(root, va), ask("protect_page", root, va, NO_EXECUTE))], when)
            check_same(kernel, root, page, when)
            kernel.drain()
    kernel.give_back(held)


def check_same(kernel: Kernel, root: int, large: Page, when: str) -> None:
    """All parts of a large page are where they were, with the same rights."""
    for offset in range(0, large.size, large.size // 512):
        found = kernel.m.memory.walk(large.va + offset, root)
        seen = (found.pa, found.writable, found.executable) if found else None
        expect(seen == (large.pa + offset, bool(large.flags & WRITABLE),
                        not large.flags & NO_EXECUTE),
               f"unmap_page or protect_page failed {when}, and {large.va + offset:#x} is no "
               "longer mapped as before", "nothing is lost on an error")


def new_large_pages(kernel: Kernel, rng: Random) -> tuple[int, list[Page]]:
    """A root with large pages in it that nobody has split."""
    root, space = kernel.root(), one_of_each(rng)
    pages = [page for page in space.pages.values() if page.level > 1]
    make(kernel, [Change(map_call(rng, root, page)) for page in pages])
    return root, pages
