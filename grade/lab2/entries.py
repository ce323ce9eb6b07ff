"""Exercises 2.3, 2.4, 2.6 and 2.7: the smallest steps, each compared with the processor's rules: a
walk, an entry, a split."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from grade.lab2.kernel import Kernel, Reply, ask
from grade.lab2.memory_maps import MIB
from grade.lab2.tables import TABLE_EXTRAS, Builder, Spot, random_frame, some
from grade.machine import Machine, paging
from grade.machine.layout import PAGE, WINDOW_BASE
from grade.machine.paging import page_size
from grade.outcome import Failure, Outcome, equal, expect
KEPT = (paging.PRESENT | paging.WRITABLE | paging.USER | paging.NO_EXECUTE
        | paging.WRITE_THROUGH | paging.NO_CACHE)
COMPARED = KEPT | paging.LARGE | paging.GLOBAL | paging.ADDRESS


def check_walk(m: Machine, root: int, reply: Reply) -> None:
    """Compare one walk with the walker's."""
    va = reply.asked.arguments[1]
    assert isinstance(va, int)
    path = paging.path(m.phys, root, va)
    last, level = path[-1], reply.out & 0xFFFF_FFFF
    if reply.value != WINDOW_BASE + last.pa or level != last.level:
        raise Failure(
            Outcome.WRONG, f"{reply.asked} returns {reply.value:#x} and level {level}",
            f"{WINDOW_BASE + last.pa:#x}, the entry {last.index} of the table at {last.table:#x}, "
            f"and level {last.level}", details=["the way down:", *map(str, path)])


def random_case(rng: Random) -> tuple[int, int]:
    """An entry, and whether ring 3 shall get through it."""
    extras = tuple(bit for bit in TABLE_EXTRAS if bit != paging.NO_EXECUTE)
    there = paging.PRESENT | random_frame(rng, 1) | some(rng, extras)
    return rng.choice((0, there, there, there | paging.LARGE)), rng.randrange(2)


def check_ensured(m: Machine, entry: int, before: int, user: int, reply: Reply) -> int | None:
    """One entry after the call. Returns the table if it is new."""
    if before & paging.LARGE:
        reply.demand("ERROR_LARGE_PAGE", f"for the entry {before:#x}, which maps a large page")
        equal(entry, before, "the large page's entry after that error")
        return None
    reply.demand()
    rights = paging.WRITABLE | (paging.USER if user else 0)
    if before:
        equal(entry, before | rights, f"the entry, which was {before:#x} before "
              f"ensure_table_present(entry, {bool(user)}, table),")
    else:
        equal(entry & ~paging.ADDRESS, paging.PRESENT | rights, "the flags of a new table's entry")
    table = entry & paging.ADDRESS
    equal(reply.out, table, "*table")
    if before:
        return None
    junk = next((i for i, value in enumerate(m.phys.table(table)) if value), None)
    expect(junk is None, f"the new table at {table:#x} is not empty: its entry {junk} is "
           f"{m.phys.u64(table + 8 * (junk or 0)):#x}", "512 entries that are 0")
    return table


def built_tables(m: Machine, rng: Random) -> Builder:
    """Tables of the grader's in memory that nobody uses."""
    return Builder(m.phys, iter(range(16 * MIB, 48 * MIB, PAGE)), rng)


def inside(spot: Spot, rng: Random) -> int:
    """An address that the entry of the spot decides about."""
    return spot.va + rng.choice((0, rng.randrange(page_size(spot.level)),
                                 page_size(spot.level) - 1))


def random_large(rng: Random, level: int) -> int:
    """An entry that maps a large page and has been used, perhaps."""
    bits = (paging.WRITABLE, paging.USER, paging.NO_EXECUTE, paging.WRITE_THROUGH,
            paging.NO_CACHE, paging.ACCESSED, paging.DIRTY)
    return paging.PRESENT | paging.LARGE | random_frame(rng, level) | some(rng, bits)


def check_split(m: Machine, before: int, entry: int, level: int) -> int:
    """A large page's entry before and after it was split; the new table."""
    what = f"after the split of {before:#x}, an entry of level {level},"
    leads = paging.PRESENT | paging.WRITABLE | before & paging.USER
    asked = leads | paging.LARGE | paging.USER | paging.NO_EXECUTE
    equal(entry & asked, leads, f"{what} the flags of the entry that leads to the new table")
    table, size = entry & paging.ADDRESS, page_size(level - 1)
    frame = before & paging.ADDRESS & -page_size(level)
    large = paging.LARGE if level > 2 else 0
    for i, value in enumerate(m.phys.table(table)):
        right = frame + i * size | before & KEPT | large
        if value & COMPARED != right:
            raise Failure(Outcome.WRONG, f"{what} entry {i} of the new table is {value:#x} "
                          f"({paging.flags(value)})", f"{right:#x} ({paging.flags(right)})")
    return table


def check_splits(kernel: Kernel, entries: list[tuple[int, int]]) -> list[int]:
    """Split large pages by the physical addresses and levels of their entries; the new tables."""
    phys = kernel.m.phys
    before = [phys.u64(place) for place, _ in entries]
    neighbours = [phys.table(place & -PAGE) for place, _ in entries]
    for reply in kernel.all([ask("split_large_page", WINDOW_BASE + place, level)
                             for place, level in entries]):
        reply.demand()
    made = [check_split(kernel.m, value, phys.u64(place), level)
            for value, (place, level) in zip(before, entries)]
    split = {place for place, _ in entries}
    for (place, _), table in zip(entries, neighbours):
        for i, value in enumerate(phys.table(place & -PAGE)):
            at = (place & -PAGE) + 8 * i
            expect(value == table[i] or at in split, f"entry {i} in the table of one that was "
                   f"split has changed to {value:#x}", f"it stays {table[i]:#x}")
    return made


def check_split_without_frames(kernel: Kernel, place: int, value: int) -> None:
    """A large page that cannot be split remains."""
    kernel.drain()
    kernel.m.phys.set_u64(place, value)
    kernel.one("split_large_page", WINDOW_BASE + place, 2).demand(
        "ERROR_NO_FRAMES", "when no frame is free")
    equal(kernel.m.phys.u64(place), value, "the large page's entry after that error")


def decoys(tables: Builder) -> dict[int, str]:
    """Fill tables with pages of each size and with absent entries, all of which point to memory
    that looks like more tables. Returns what each of those frames is."""
    places = {(level, present): 48 * MIB + 2 * MIB * i for i, (level, present) in enumerate(
        [(1, True), (2, True), (1, False), (2, False), (3, False), (4, False)])}
    places[3, True] = 0  # the only multiple of 1 GiB in memory
    behind = 62 * MIB
    for frame in (*places.values(), behind):
        tables.memory.write(frame, bytes(PAGE))
        tables.memory.set_u64(frame + 8 * tables.rng.randrange(512), behind | paging.PRESENT)
    for _ in range(60):
        (level, present), frame = tables.rng.choice(list(places.items()))
        large = paging.LARGE if present and level > 1 else 0
        tables.put(tables.address([]) & -page_size(level), level,
                   frame | large | (paging.PRESENT if present else tables.rng.choice((2, 6))))
    words = {True: "mapped as a page, by an entry of level", False: "in an absent entry of level"}
    return {**{frame: f"{words[present]} {level}" for (level, present), frame in places.items()},
            behind: "not in the tables: only what is in pages points to it",
            max(tables.tables) + PAGE: "in no entry"}


def tables_freed_by_mistake(kernel: Kernel, rng: Random) -> Builder:
    """Tables in the lowest free frames, all of which but the root's are then freed, as are the
    frames between them."""
    frames = kernel.frames(64)
    chosen = sorted(rng.sample(frames[1:], 9))
    tables = Builder(kernel.m.phys, iter([frames[0], *chosen]), rng)
    for va in (0x40_0000, 0x7FFF_0000_0000, WINDOW_BASE):
        tables.put(va, 1, paging.PRESENT)
    kernel.give_back([frame for frame in frames if frame not in tables.tables])
    kernel.give_back([frame for frame in tables.tables if frame != tables.root])
    return tables


def check_safe(m: Machine, tables: Builder, taken: Sequence[tuple[int, Reply]]) -> None:
    """What allocate_safe_frames handed out: no table, nothing twice, nothing but zeroes."""
    seen: set[int] = set()
    for count, reply in taken:
        reply.demand()
        for frame in range(reply.out, reply.out + count * PAGE, PAGE):
            expect(frame not in tables.tables, f"{reply.asked} hands out {frame:#x}, which is a "
                   "page table that was freed by mistake", "a frame that is no page table")
            expect(frame not in seen, f"{reply.asked} hands out {frame:#x} again",
                   "each frame once")
            seen.add(frame)
            expect(not any(m.phys.read(frame, PAGE)), f"the frame {frame:#x} that {reply.asked} "
                   f"hands out begins with {m.phys.u64(frame):#x}", "4096 bytes of zero")
