"""Exercises 2.1 and 2.2: hostile but legal memory maps, and which frames may be handed out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from grade.machine.layout import PAGE, PHYSICAL_LIMIT
from grade.machine.multiboot2 import (ACPI_NVS, ACPI_RECLAIMABLE, AVAILABLE, BAD, RESERVED,
                                      MemoryArea)

MIB = 1 << 20
GIB = 1 << 30
LOW_MEMORY = MIB
IN_USE = (RESERVED, ACPI_RECLAIMABLE, ACPI_NVS, BAD, 0, 7, 0xFFFF_FFFF)

Run = tuple[int, int]  # frame numbers from the first up to, and without, the second


def down(address: int) -> int:
    return address // PAGE


def up(address: int) -> int:
    return -(-address // PAGE)


def clip(start: int, length: int) -> Run:
    """A region as bytes from start up to end, cut off where no memory can be: it may wrap."""
    start = min(start, PHYSICAL_LIMIT)
    return start, min(start + length, PHYSICAL_LIMIT)


def union(runs: Iterable[Run]) -> list[Run]:
    """The same frames as runs that are in order and do not touch."""
    merged: list[Run] = []
    for start, end in sorted(run for run in runs if run[0] < run[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def without(runs: Iterable[Run], holes: Iterable[Run]) -> list[Run]:
    """The frames of `runs` that are in none of `holes`."""
    left = union(runs)
    for first, last in union(holes):
        left = [piece for start, end in left
                for piece in ((start, min(end, first)), (max(start, last), end))
                if piece[0] < piece[1]]
    return left


def count(runs: Iterable[Run]) -> int:
    return sum(end - start for start, end in runs)


def frames(runs: Iterable[Run]) -> list[int]:
    """The physical addresses of the frames, in order."""
    return [number * PAGE for start, end in runs for number in range(start, end)]


@dataclass(frozen=True)
class Layout:
    """What a boot loader tells the kernel about physical memory, and what it put there."""

    areas: tuple[MemoryArea, ...]
    image: Run  # these three in bytes
    info: Run
    modules: tuple[Run, ...] = ()

    def reserved(self) -> dict[str, list[Run]]:
        """In bytes, what must not be handed out, by the words for it."""
        return {
            "the frames below 1 MiB": [(0, LOW_MEMORY)],
            "the frames of the kernel image": [self.image],
            "the frames of the boot information": [self.info],
            "the modules": list(self.modules),
            "regions that are not available": [
                clip(area.base, area.length) for area in self.areas
                if area.kind != AVAILABLE and area.length],
        }

    def usable(self) -> list[Run]:
        """In bytes, the regions that are available."""
        return [clip(area.base, area.length) for area in self.areas if area.kind == AVAILABLE]

    def free(self, forgotten: str = "") -> list[Run]:
        """The frames that may be handed out; `forgotten` is left out of the reservations."""
        holes = [(down(start), up(end)) for words, ranges in self.reserved().items()
                 if words != forgotten for start, end in ranges if start < end]
        return without(((up(start), down(end)) for start, end in self.usable()), holes)

    def limit(self) -> int:
        """One past the last byte of usable memory."""
        return max((end for start, end in self.usable() if start < end), default=0)

    def plain(self, room: int) -> Layout:
        """A map of the same limit, with one MiB of available memory at `room` and no more."""
        top = (self.limit() // PAGE - 1) * PAGE
        areas = (MemoryArea(room, MIB), MemoryArea(top, PAGE + self.limit() % PAGE))
        return replace(self, areas=areas, modules=(), info=(0x8000, 0x9000))


def mistakes(layout: Layout) -> dict[str, int]:
    """How many frames there would be after each of the mistakes that are made here, in words."""
    found = {f"{words} were not reserved": count(layout.free(words))
             for words in layout.reserved()}
    holes = [each for ranges in layout.reserved().values() for each in ranges
             if each[0] < each[1]]
    inward = [(up(start), down(end)) for start, end in layout.usable()]
    outward = [(down(start), up(end)) for start, end in layout.usable()]
    taken = [(down(start), up(end)) for start, end in holes]
    found["frames were usable that are available only in part"] = count(without(outward, taken))
    for words, start, end in (("begins", up, up), ("ends", down, down)):
        found[f"a frame were free in which something reserved {words}"] = count(
            without(inward, [(start(first), end(last)) for first, last in holes]))
    found["the first module alone were reserved"] = count(
        replace(layout, modules=layout.modules[:1]).free())
    found["the last module were not reserved"] = count(
        replace(layout, modules=layout.modules[:-1]).free())
    return found


def explain(layout: Layout, seen: int) -> str:
    """Words for the mistake that would give this many frames, or "" if none or several do."""
    right = count(layout.free())
    like = {words for words, number in mistakes(layout).items() if number == seen != right}
    return f", as if {like.pop()}" if len(like) == 1 else ""


@dataclass
class Puzzle:
    """A random map being made, around a part of memory that is left alone for the kernel."""

    rng: Random
    image: Run
    room: Run  # available in any case, for the allocator's own tables
    end: int  # of the memory that is really there
    areas: list[MemoryArea] = field(default_factory=list)
    modules: list[Run] = field(default_factory=list)

    def odd(self, first: int, last: int) -> int:
        """An address between the two; often one at, just before or just behind a page's edge."""
        address = self.rng.randrange(first, last)
        edge = address // PAGE * PAGE + self.rng.choice((0, 0, 1, 8, PAGE - 8, PAGE - 1))
        return self.rng.choice((address, min(max(edge, first), last - 1)))

    def piece(self, longest: int) -> Run:
        """Some memory outside the room."""
        low, high = self.rng.choice(((0, self.room[0]), (self.room[1], self.end)))
        start = self.odd(low, high - PAGE)
        return start, self.odd(start + 1, min(start + longest, high))

    def available(self, number: int, longest: int = 4 * MIB) -> None:
        for _ in range(number):
            start, end = self.piece(longest)
            self.areas.append(MemoryArea(start, end - start))

    def in_use(self, number: int, longest: int = 256 << 10) -> None:
        for _ in range(number):
            start, end = self.piece(longest)
            self.areas.append(MemoryArea(start, end - start, self.rng.choice(IN_USE)))

    def add_modules(self, number: int, longest: int = 40 << 10) -> None:
        for _ in range(number):
            self.modules.append(self.piece(longest))

    def oddities(self, wrap: bool) -> None:
        """Regions that are empty, beyond all memory, or wrap around at 2^64: if `wrap`, one from
        the middle of available memory on."""
        far = self.rng.randrange(PHYSICAL_LIMIT // PAGE, (1 << 64) // PAGE) * PAGE
        inside = self.odd(self.room[1], self.end)
        self.areas += [MemoryArea(inside, 0, AVAILABLE), MemoryArea(inside + 77, 0, RESERVED),
                       MemoryArea(far, GIB, self.rng.choice((AVAILABLE, BAD))),
                       MemoryArea((1 << 64) - PAGE, 2 * PAGE, AVAILABLE)]
        if wrap:
            start = self.odd(self.end - 8 * MIB, self.end - MIB)
            self.areas += [MemoryArea(start, (1 << 64) - PAGE, BAD),
                           MemoryArea(self.end - 9 * MIB, 9 * MIB)]
        self.modules.append((inside, inside))

    def layout(self, info: int, size: int) -> Layout:
        """The map with its regions in any order, and the boot information at `info`. Only the
        room comes first, so that the allocator's tables lie in frames that would be free."""
        areas = [MemoryArea(self.room[0], self.room[1] - self.room[0]),
                 *self.rng.sample(self.areas, len(self.areas))]
        return Layout(tuple(areas), self.image, (info, info + size), tuple(self.modules))


def holey(start: int, end: int, holes: int, rng: Random) -> Sequence[MemoryArea]:
    """Available memory with so many holes in it, as many regions."""
    edges = sorted(rng.sample(range(start, end), 2 * holes))
    edges = [start, *edges, end]
    return [MemoryArea(first, last - first) for first, last in zip(edges[::2], edges[1::2])]
