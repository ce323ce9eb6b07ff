"""Exercises 2.3 and 2.7: page tables of the grader's, made in physical memory entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from grade.machine.layout import PAGE
from grade.machine.paging import (ACCESSED, ADDRESS, DIRTY, GLOBAL, LARGE, LEVELS, NO_CACHE,
                                  NO_EXECUTE, PRESENT, USER, WRITABLE, WRITE_THROUGH, canonical,
                                  index, page_size)
from grade.machine.phys import PhysicalMemory

AVAILABLE_BITS = (1 << 9, 1 << 10, 1 << 11, *(1 << bit for bit in range(52, 63)))
TABLE_EXTRAS = (*AVAILABLE_BITS, NO_EXECUTE, ACCESSED, WRITE_THROUGH, NO_CACHE, USER, WRITABLE)
PAGE_EXTRAS = (*TABLE_EXTRAS, DIRTY, GLOBAL)
PAT_LARGE = 1 << 12  # in a large page's entry this bit is not part of the address
PAT_SMALL = LARGE  # in a level-1 entry bit 7 says nothing about size


def some(rng: Random, bits: tuple[int, ...]) -> int:
    """Each of the bits, or not."""
    return sum(bit for bit in bits if rng.random() < 0.4)


def random_frame(rng: Random, level: int) -> int:
    """A frame for a page of this level, anywhere in the 52 bits of physical addresses."""
    return rng.getrandbits(rng.choice((24, 32, 40, 52))) & ADDRESS & -page_size(level)


def random_page(rng: Random, level: int) -> int:
    """An entry that maps a page."""
    if level == 1:
        kind = rng.choice((0, PAT_SMALL))
    else:
        kind = LARGE | rng.choice((0, PAT_LARGE))
    return PRESENT | kind | random_frame(rng, level) | some(rng, PAGE_EXTRAS)


def random_absent(rng: Random) -> int:
    """An entry that is not present, with anything in its other bits, as of a page swapped out."""
    return rng.choice((0, LARGE, rng.getrandbits(64))) & ~PRESENT


class Spot(NamedTuple):
    """An address, and the level of the entry that decides about it."""

    va: int
    level: int


class Builder:
    """Makes tables in the frames that it is given."""

    def __init__(self, memory: PhysicalMemory, frames: Iterator[int], rng: Random) -> None:
        self.memory, self.rng, self._frames = memory, rng, frames
        self.tables: dict[int, int] = {}  # the level of each, by its address
        self.root = self.table(LEVELS)

    def table(self, level: int) -> int:
        """A new table of zeroes."""
        frame = next(self._frames)
        self.memory.write(frame, bytes(PAGE))
        self.tables[frame] = level
        return frame

    def entry(self, va: int, level: int, extras: bool = True) -> int | None:
        """Where the entry of this level for va lies, the tables on the way made; None if a page
        or something odd is in the way."""
        table = self.root
        for above in range(LEVELS, level, -1):
            place = table + 8 * index(va, above)
            value = self.memory.u64(place)
            if value == 0:
                below = self.table(above - 1)
                value = PRESENT | below | some(self.rng, TABLE_EXTRAS if extras else ())
                self.memory.set_u64(place, value)
            elif not value & PRESENT or value & ADDRESS not in self.tables or value & LARGE:
                return None
            table = value & ADDRESS
        return table + 8 * index(va, level)

    def put(self, va: int, level: int, value: int) -> bool:
        """Set the entry of this level for va, unless something is there or in the way."""
        place = self.entry(va, level)
        if place is None or self.memory.u64(place):
            return False
        self.memory.set_u64(place, value)
        return True

    def fill(self, pages: int, absent: int) -> list[Spot]:
        """Pages of every size, and absent entries of every level, at random places."""
        spots: list[Spot] = []
        for number in range(pages + absent):
            level = self.rng.choice((1, 1, 1, 2, 3) if number < pages else (1, 2, 3, 4))
            value = random_page(self.rng, level) if number < pages else random_absent(self.rng)
            spot = Spot(self.address(spots) & -page_size(level), level)
            if self.put(spot.va, level, value):
                spots.append(spot)
        return spots

    def address(self, spots: list[Spot]) -> int:
        """Often close to one that is there already, so that tables are shared."""
        near = self.rng.choice(spots).va if spots and self.rng.random() < 0.7 else 0
        bits = self.rng.choice((16, 21, 25, 30, 34)) if near else 48
        return canonical((near ^ self.rng.getrandbits(bits)) & (1 << 48) - 1)

    def snapshot(self) -> dict[int, bytes]:
        """The contents of all tables."""
        return {table: self.memory.read(table, PAGE) for table in self.tables}
