"""The boot loader's work on a template machine: the kernel, its modules and the information
structure in memory, the registers as Multiboot2 wants them (specification, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from grade.machine.elf import BadElf, Elf
from grade.machine.gdbremote import Gdb
from grade.machine.layout import ELF_MACHINE_X86_64, MULTIBOOT2_LOADER_MAGIC, PAGE
from grade.machine.multiboot2 import (AVAILABLE, OUR_OWN, BadHeader, MemoryArea, Module,
                                      check_header, information, memory_map, tags)
from grade.machine.phys import FOUR_GIB, PhysicalMemory
from grade.outcome import Failure, Outcome

LOADER = "Rung's grader, as GRUB would"
LOWEST = 0x10000  # firmware's own data lie below


class Space:
    """Free physical memory, out of which things are given random places."""

    def __init__(self, areas: Sequence[MemoryArea], memory: PhysicalMemory, rng: Random) -> None:
        self._rng = rng
        self._free = [(max(area.base, LOWEST), min(area.end, FOUR_GIB)) for area in areas
                      if area.kind == AVAILABLE and memory.contains(area.base, area.length)]
        self._free = [(start, end) for start, end in self._free if start < end]

    def take(self, start: int, size: int) -> None:
        """This part is in use."""
        end = start + size
        pieces = [piece for low, high in self._free
                  for piece in ((low, min(high, start)), (max(low, end), high))]
        self._free = sorted({(low, high) for low, high in pieces if low < high})

    def place(self, size: int, alignment: int) -> int:
        """A random place: often at an edge, where mistakes show."""
        rooms = [(first, last) for low, high in self._free
                 for first, last in [(low + alignment - 1 & -alignment, high - size & -alignment)]
                 if first <= last]
        if not rooms:
            raise Failure(Outcome.WRONG, f"beside the kernel there is no room for {size} bytes in "
                          "memory", "a kernel that leaves room for its modules")
        first, last = self._rng.choice(rooms)
        inside = first + self._rng.randrange((last - first) // alignment + 1) * alignment
        start = self._rng.choice([first, last, inside, inside])
        self.take(start, max(size, 1))
        return start


def load(kernel: Elf, gdb: Gdb, memory: PhysicalMemory, grub: bytes, *, cmdline: str,
         modules: Sequence[Module], areas: Sequence[MemoryArea] | None, rng: Random) -> int:
    """Put everything into memory and set the registers; the structure's address.

    grub is the structure that GRUB made for the template: the memory map and the tags for which
    the grader has nothing of its own (ACPI) come from there."""
    entry, address = place(
        kernel, memory, memory_map(grub), cmdline=cmdline, modules=modules, areas=areas, rng=rng,
        more=[tag for kind, tag in tags(grub) if kind not in OUR_OWN])
    for name, value in (("rax", MULTIBOOT2_LOADER_MAGIC), ("rbx", address), ("rip", entry)):
        gdb.set_register(name, value)
    return address


def place(kernel: Elf, memory: PhysicalMemory, real: Sequence[MemoryArea], *, cmdline: str,
          modules: Sequence[Module], areas: Sequence[MemoryArea] | None, rng: Random,
          more: Iterable[bytes] = ()) -> tuple[int, int]:
    """Put everything into memory: the physical addresses of the kernel's first instruction and of
    the structure. real is the machine's memory map; areas, what the kernel is told instead; more
    are further tags for it."""
    shown = real if areas is None else list(areas)
    space = Space(shown, memory, rng)
    try:
        entry = check_header(kernel.bytes).entry or kernel.entry
        _load_segments(kernel, memory, real)
    except (BadHeader, BadElf) as reason:
        raise Failure(Outcome.WRONG, f"GRUB would not load this kernel: {reason}",
                      "a Multiboot2 kernel in ELF format") from None
    for segment in kernel.segments:
        space.take(segment.pa, segment.memory_size + PAGE - 1 & -PAGE)
    placed = [(space.place(len(module.data), PAGE), module) for module in modules]
    for start, module in placed:
        memory.write(start, module.data)
    structure = information(
        cmdline=cmdline, loader=LOADER, modules=placed, areas=shown,
        image_base=min(segment.pa for segment in kernel.segments), more=more)
    address = space.place(len(structure), 8)
    memory.write(address, structure)
    return entry, address


def _load_segments(kernel: Elf, memory: PhysicalMemory, areas: Sequence[MemoryArea]) -> None:
    """The part of a segment that the file does not fill is left as it is, though GRUB clears it:
    a kernel that clears its own .bss depends on no loader."""
    if kernel.machine != ELF_MACHINE_X86_64:
        raise BadElf("it is not for x86-64")
    if not kernel.segments:
        raise BadElf("it has no segment to load")
    for each in kernel.segments:
        if not any(area.kind == AVAILABLE and area.base <= each.pa
                   and each.pa + each.memory_size <= area.end for area in areas):
            raise BadElf(f"the segment at {each.pa:#x} ({each.memory_size:#x} bytes) does not"
                         " lie in free memory")
        memory.write(each.pa, each.data)
