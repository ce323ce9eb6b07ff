"""The address spaces that a film sees: whose they are, what they map, and their page tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grade.film.places import KERNEL, PROGRAM, Places, Region, regions
from grade.machine.layout import SHADOW_BIT as SHADOW
from grade.machine.machine import Machine
from grade.machine.paging import ADDRESS, LARGE, LEVELS, PRESENT, canonical, mappings, page_size
from grade.machine.phys import PAGE
from grade.outcome import Failure

PAGING = 1 << 31  # of CR0
MOST_TABLES = 4096
OFF = "paging off"


class Slot(NamedTuple):
    """An entry of a page table, and the addresses that it is about."""

    level: int
    number: int
    va: int
    space: str

    def __str__(self) -> str:
        return f"L{self.level}[{self.number}] of {self.space}"


@dataclass
class Space:
    """A set of tables, and how the film has seen it change."""

    name: str
    owner: str
    root: int
    maps: list[dict[str, Any]] = field(default_factory=list)  # {"step": n, "regions": [...]}
    dirty: bool = True


class Spaces:
    """All of them, by root."""

    def __init__(self, machine: Machine, places: Places) -> None:
        self.machine, self.places = machine, places
        self.found: dict[int, Space] = {}
        self.tables: dict[int, tuple[int, int, Space]] = {}  # frame: level, first address, whose
        self._letters: dict[int, str] = {}

    def space(self, cr0: int, cr3: int) -> Space | None:
        """The space in use; None while paging is off."""
        if not cr0 & PAGING:
            return None
        root = cr3 & ADDRESS
        if root not in self.found:
            self.found[root] = Space(*self._name(root), root)
            if self.places.number >= 6 and root & ~SHADOW in self._letters:
                other = root ^ SHADOW
                if other not in self.found:
                    self.found[other] = Space(*self._name(other), other)
        return self.found[root]

    def _name(self, root: int) -> tuple[str, str]:
        symbols = self.places.symbols
        if "boot_l4" in symbols and root == symbols["boot_l4"] & 0x7FFF_FFFF:
            return "boot tables", KERNEL
        pair = root & ~SHADOW if self.places.number >= 6 else root
        if not (self._has_user_pages(root) or pair in self._letters):
            return "kernel's tables", KERNEL
        letter = self._letters.setdefault(pair, chr(ord("A") + len(self._letters) % 26))
        if self.places.number < 6:
            return f"{letter}'s tables", PROGRAM
        return (f"{letter}'s shadow", PROGRAM) if root & SHADOW else (f"{letter}'s own", KERNEL)

    def _has_user_pages(self, root: int) -> bool:
        try:
            return any(page.user for page in mappings(self.machine.phys, root, 0, 255))
        except Failure:
            return False

    def refresh(self, step: int) -> None:
        """Look again at what has changed: from this step on the map is another."""
        for each in list(self.found.values()):
            if each.dirty:
                each.dirty = False
                now = self._regions(each.root)
                if not each.maps or each.maps[-1]["regions"] != now:
                    each.maps.append({"step": step, "regions": now})
        if any(each.maps and each.maps[-1]["step"] == step for each in self.found.values()):
            self._find_tables()

    def _regions(self, root: int) -> list[dict[str, object]]:
        try:
            found = regions(mappings(self.machine.phys, root), self.places)
        except Failure as failure:
            found = [Region(failure.seen, KERNEL, "---", 0, 0)]
        return [each.plain() for each in found]

    def watch_tables(self, root: int) -> None:
        """Know the tables of a root that CR3 does not hold, and perhaps never will."""
        self.space(PAGING, root)
        self.refresh(0)

    def _find_tables(self) -> None:
        """A table that hangs in several places goes by the kernel's, and by the highest."""
        self.tables.clear()
        for each in sorted(self.found.values(), key=lambda space: space.owner != KERNEL):
            self._collect(each, each.root, LEVELS, 0)

    def _collect(self, space: Space, table: int, level: int, base: int) -> None:
        phys = self.machine.phys
        if table in self.tables or not phys.contains(table, PAGE) or \
                len(self.tables) > MOST_TABLES:
            return
        self.tables[table] = level, base, space
        if level == 1:
            return
        for index, entry in reversed(list(enumerate(phys.table(table)))):
            if entry & PRESENT and not (level < LEVELS and entry & LARGE):
                self._collect(space, entry & ADDRESS, level - 1, base + index * page_size(level))

    def slot(self, pa: int) -> Slot | None:
        """Which entry of which table lies at a physical address, if one does."""
        found = self.tables.get(pa & -PAGE)
        if not found:
            return None
        level, base, space = found
        index = (pa & PAGE - 1) >> 3
        return Slot(level, index, canonical(base + index * page_size(level)), space.name)

    def written(self, pa: int) -> None:
        """An entry has been written: what that changes will be looked at."""
        found = self.tables.get(pa & -PAGE)
        if found:
            for each in self.found.values():
                each.dirty = True
