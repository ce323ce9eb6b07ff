"""A map: the address spaces of a machine that stands still, and who owns each frame of its memory.

What is not in the tables is asked of the kernel's variables, by their names in the reference; where
a kernel has none of that name, the map says less."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from grade import words
from grade.machine import layout, paging
from grade.machine.layout import KERNEL_BASE, PAGE, SHADOW_BIT, WINDOW_BASE
from grade.machine.machine import Machine
from grade.machine.multiboot2 import MODULE, tags
from grade.machine.paging import Mapping
from grade.machine.structures import structure
from grade.outcome import Failure

POINTER = 8


@dataclass
class Region:
    """Pages that follow each other, are the same thing, and may be used alike."""

    start: int
    end: int
    what: str
    rights: str
    shadow: str = ""  # the rights that the shadow table leaves; in lab 6

    def plain(self) -> dict[str, Any]:
        return {"start": f"{self.start:#x}", "end": f"{self.end:#x}",
                "bytes": self.end - self.start, "what": self.what, "rights": self.rights,
                **({"shadow": self.shadow} if self.shadow else {})}


@dataclass
class Space:
    """An address space, or in lab 6 a pair: the kernel's table and its shadow."""

    name: str
    root: int
    shadow: int = 0
    regions: list[Region] = field(default_factory=list)
    tables: dict[int, int] = field(default_factory=dict)  # how many, by level; both of a pair
    own: int = 0  # of them those that no other space has

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "root": f"{self.root:#x}",
                **({"shadow": f"{self.shadow:#x}"} if self.shadow else {}),
                "regions": [each.plain() for each in self.regions],
                "tables": {str(level): count for level, count in self.tables.items()},
                "frames": sum(self.tables.values()), "own_frames": self.own}


@dataclass
class Range:
    """Frames that follow each other and have one owner."""

    start: int
    end: int
    owner: str

    def plain(self) -> dict[str, Any]:
        return {"start": f"{self.start:#x}", "end": f"{self.end:#x}", "owner": self.owner}


class Map:
    """Everything, as it is now. A table that lies outside memory is a Failure."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine, self.number = machine, number
        self.spaces = list(self._spaces()) if machine.regs.cr0 >> 31 else []
        everything = Counter(table for space in self.spaces for table in self._tables(space))
        for space in self.spaces:
            self._fill(space, everything)
        self.memory = list(ranges(self._owners(), machine.phys.size))

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"lab": self.number, "at": self.machine.where(self.machine.regs.rip),
                "spaces": [each.plain() for each in self.spaces],
                "memory": [each.plain() for each in self.memory]}

    # Address spaces

    def _spaces(self) -> Iterator[Space]:
        """The kernel's, each process's, and what CR3 holds if that is another."""
        roots = {}
        kernel = self._variable("kernel_root") & paging.ADDRESS
        if kernel:
            roots[kernel] = "kernel"
        for name, root in self._processes():
            roots.setdefault(root, name)
        in_use = self.machine.regs.cr3 & paging.ADDRESS
        if in_use not in roots and in_use & ~SHADOW_BIT not in roots:
            boot = "boot_l4" in self.machine.symbols \
                and in_use == self.machine.symbols["boot_l4"] & ~KERNEL_BASE
            roots[in_use] = "boot" if boot else "tables in CR3"
        for root, name in roots.items():
            pair = name.startswith("pid") and self._has_shadow(root)
            used = ", in use" if in_use in (root, root | SHADOW_BIT if pair else root) else ""
            yield Space(name + used, root, root | SHADOW_BIT if pair else 0)

    def _has_shadow(self, root: int) -> bool:
        """From lab 6 on, where programs are isolated: the frame behind a root is a table that leads
        to the entry area."""
        if self.number < 6 or root & SHADOW_BIT:
            return False
        phys = self.machine.phys
        return phys.contains(root, 2 * PAGE) and \
            paging.walk(phys, root | SHADOW_BIT, layout.TRAMPOLINE_VADDR) is not None

    def _processes(self) -> Iterator[tuple[str, int]]:
        """Each process's name and root: of the table, or, before lab 5, of the one that runs."""
        symbols, phys = self.machine.symbols, self.machine.phys
        if self.number < 3:
            return
        fields = structure(self.machine.kernel, "process", "process.c").fields
        size = structure(self.machine.kernel, "process", "process.c").size
        if "process_table" in symbols:
            table = symbols.symbol("process_table")
            places = [table.address + at for at in range(0, table.size, size)]
        else:
            places = [each for each in [self._variable("current_process")] if each]
        for place in places:
            pa = self._physical(place)
            root = phys.u64(pa + fields["image.root"].offset) & paging.ADDRESS if pa else 0
            if root and phys.contains(root, PAGE) and self._alive(pa, fields):
                pid = fields.get("pid")
                number = int.from_bytes(phys.read(pa + pid.offset, 4), "little") if pid else 1
                name = phys.read(pa + fields["image.name"].offset, fields["image.name"].elements)
                yield f"pid {number} ({name.partition(bytes(1))[0].decode(errors='replace')})", root

    def _alive(self, pa: int, fields: dict[str, Any]) -> bool:
        return "state" not in fields or \
            self.machine.phys.read(pa + fields["state"].offset, 4) != bytes(4)

    def _tables(self, space: Space) -> dict[int, int]:
        """Level of each table frame; of a pair both's."""
        found = {table: level for level, table in paging.tables(self.machine.phys, space.root)}
        if space.shadow:
            found.update({table: level for level, table in
                          paging.tables(self.machine.phys, space.shadow)})
        return found

    def _fill(self, space: Space, everything: Counter[int]) -> None:
        tables = self._tables(space)
        space.tables = dict(sorted(Counter(tables.values()).items(), reverse=True))
        space.own = sum(everything[table] == 1 for table in tables)
        pages = {page.va: page for page in paging.mappings(self.machine.phys, space.root)}
        shadows = {page.va: page for page in paging.mappings(self.machine.phys, space.shadow)} \
            if space.shadow else {}
        for va in sorted({*pages, *shadows}):
            page, shadow = pages.get(va), shadows.get(va)
            either = page or shadow
            assert either
            what = self._what(either)
            rights, below = rights_of(page), rights_of(shadow) if space.shadow else ""
            last = space.regions[-1] if space.regions else None
            if last and last.end == va and \
                    (last.what, last.rights, last.shadow) == (what, rights, below):
                last.end = either.end
            else:
                space.regions.append(Region(va, either.end, what, rights, below))

    def _what(self, page: Mapping) -> str:
        """What a page is. While booting, low addresses are not a program's."""
        if page.va < layout.USER_END and not page.user:
            return "identity map"
        return words.region(page.va, layout.numbers(), self._name)

    def _name(self, address: int) -> str:
        symbols = self.machine.symbols
        if "boot_stack" in symbols:
            inside = address - symbols["boot_stack"]
            if 0 <= inside < layout.STACK_GUARD_SIZE + layout.STACK_SIZE:
                return "boot_stack"
        return symbols.object(address)

    # Physical memory

    def _owners(self) -> dict[int, str]:
        """Frames, by address, and whose they are: what is said later counts more."""
        symbols, owners = self.machine.symbols, self._allocated()
        for space in self.spaces:
            for page in paging.mappings(self.machine.phys, space.root):
                what = self._what(page)
                if page.user or what.startswith("kernel stack") or page.va >= \
                        layout.TRAMPOLINE_VADDR:
                    own = f"{space.name.partition(',')[0]}: {what}" if page.user else what
                    several = owners.get(page.pa, own)
                    owners[page.pa] = own if several == own or not page.user \
                        or not several.startswith("pid") else "shared by programs"
        for start, end, owner in self._fixed():
            owners.update(dict.fromkeys(range(start & -PAGE, end, PAGE), owner))
        for space in self.spaces:
            for table in self._tables(space):
                inside = "boot_start" in symbols and owners.get(table) == "kernel image"
                owners[table] = "page tables in the image" if inside else "page tables"
        return owners

    def _fixed(self) -> Iterator[tuple[int, int, str]]:
        """What lies where the boot loader put it."""
        symbols, machine = self.machine.symbols, self.machine
        yield 0, 1 << 20, "low memory"
        if machine.information:
            size = int.from_bytes(machine.phys.read(machine.information, 4), "little")
            yield machine.information, machine.information + size, "boot information"
            for kind, tag in tags(machine.phys.read(machine.information, size)):
                if kind == MODULE:
                    start, end = struct.unpack_from("<II", tag, 8)
                    yield start, end, "modules"
        if "own_tables" in symbols:
            at = self._physical(symbols["own_tables"])
            yield machine.phys.u64(at), machine.phys.u64(at + POINTER), "allocator's own tables"
        if "boot_start" in symbols and "image_end" in symbols:
            yield symbols["boot_start"], symbols["image_end"] - KERNEL_BASE, "kernel image"

    def _allocated(self) -> dict[int, str]:
        """The allocator's word, from lab 2 on: which frames are free, and which it gave away."""
        free = dict.fromkeys(self._members("available"), "free")
        return {**dict.fromkeys(self._members("owned"), "allocated by the kernel"), **free}

    def _members(self, name: str) -> Iterator[int]:
        """The frames in one of the allocator's sets of frame numbers."""
        symbols, phys = self.machine.symbols, self.machine.phys
        if self.number < 2 or name not in symbols:
            return
        fields = structure(self.machine.kernel, "bitset", "bitset.c").fields
        at = self._physical(symbols[name])
        limit = phys.u64(at + fields["limit"].offset) if at else 0
        memory = (phys.u64(at + fields["words"].offset) if at else 0) - WINDOW_BASE
        if limit > phys.size // PAGE + (1 << 20) or not phys.contains(memory, limit // 8 + 1):
            return
        bits = int.from_bytes(phys.read(memory, limit + 7 >> 3), "little")
        yield from (frame * PAGE for frame in range(limit) if bits >> frame & 1)

    # The kernel's variables

    def _physical(self, va: int) -> int:
        """Where an address of the kernel's image is in memory, or one that its tables map; or 0."""
        if 0 <= va - KERNEL_BASE < layout.IMAGE_LIMIT:
            return va - KERNEL_BASE
        try:
            found = paging.walk(self.machine.phys, self.machine.regs.cr3, va)
        except Failure:
            return 0
        return found.pa if found else 0

    def _variable(self, name: str) -> int:
        """A 64-bit variable of the kernel's; 0 if there is none."""
        if name not in self.machine.symbols:
            return 0
        return self.machine.phys.u64(self._physical(self.machine.symbols[name]))


def rights_of(page: Mapping | None) -> str:
    return words.rights(page.writable, page.executable, page.user) if page else "-"


def ranges(owners: dict[int, str], size: int) -> Iterator[Range]:
    """All frames of a machine's memory, those next to each other with one owner made one."""
    current = Range(0, 0, "")
    for frame in range(0, size, PAGE):
        owner = owners.get(frame, "nobody that is known")
        if owner != current.owner and current.end:
            yield current
        if owner != current.owner:
            current = Range(frame, frame, owner)
        current.end = frame + PAGE
    yield current
