"""Exercise 1.1: what the boot page tables should map, what they do map, and the difference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from grade.machine import Machine, Mapping
from grade.machine import paging
from grade.machine.layout import LARGE_PAGE_SIZE, PAGE
from grade.outcome import Failure, Outcome

READ, EXECUTE, WRITE = "r--", "r-x", "rw-"
PARTS = (("boot", EXECUTE), ("text", EXECUTE), ("rodata", READ), ("data", WRITE))
UNCACHED = paging.WRITE_THROUGH | paging.NO_CACHE
PAT_4K, BETWEEN_2M = 1 << 7, 0x1FF000  # PAT, and PAT with the reserved bits of a large page


class Page(NamedTuple):
    """A page without its address: neighbours in a range look alike."""

    offset: int  # virtual minus physical address
    size: int
    rights: str

    def at(self, va: int) -> str:
        size = "2 MiB" if self.size == LARGE_PAGE_SIZE else f"{self.size >> 10} KiB"
        return f"mapped to {va - self.offset:#x}, {self.rights}, in pages of {size}"


Pages = dict[int, Page]


def rights(mapping: Mapping) -> str:
    """r, w, x and user as all levels together leave them, and bits that should not be there."""
    text = "r" + ("w" if mapping.writable else "-") + ("x" if mapping.executable else "-")
    odd = mapping.entry & (UNCACHED | (BETWEEN_2M if mapping.large else PAT_4K))
    return text + (" for user mode too" if mapping.user else "") + (
        f" with the odd bits {odd:#x}" if odd else "")


def seen(mappings: Iterable[Mapping]) -> Pages:
    return {each.va: Page(each.va - each.pa, each.size, rights(each)) for each in mappings}


def image(machine: Machine, base: int) -> Pages:
    """The kernel's image at KERNEL_BASE, and the same at its physical addresses."""
    pages: Pages = {}
    for name, right in PARTS:
        low, high = (machine.sym(f"{name}_{end}") for end in ("start", "end"))
        for va in range(low, high, PAGE):
            pa = va if va < base else va - base
            pages[pa] = Page(0, PAGE, right)
            pages[base + pa] = Page(base, PAGE, right)
    return pages


def window(base: int, size: int) -> Pages:
    """The window on the beginning of physical memory."""
    return {base + pa: Page(base, LARGE_PAGE_SIZE, WRITE) for pa in range(0, size, LARGE_PAGE_SIZE)}


def compare(found: Pages, wanted: Pages, machine: Machine, hint: str = "") -> None:
    """Fail at the first range of addresses where both differ."""
    pages = sorted(found.keys() | wanted.keys())
    first = next((va for va in pages if found.get(va) != wanted.get(va)), None)
    if first is None:
        return
    a, b = found.get(first), wanted.get(first)
    end = first
    while end == first or (end in found or end in wanted) and (
            found.get(end), wanted.get(end)) == (a, b):
        end += (a or b or Page(0, PAGE, "")).size
    place = f"{first:#x}..{end:#x}{_part(machine, first)}"
    raise Failure(Outcome.WRONG, f"{place} is {a.at(first) if a else 'not mapped'}",
                  f"it is {b.at(first) if b else 'not mapped'}", hint, _walk(machine, first))


def _part(machine: Machine, va: int) -> str:
    """The part of the image that an address belongs to, in brackets."""
    for name, _ in PARTS:
        low, high = (machine.sym(f"{name}_{end}") & 0x7FFFFFFF for end in ("start", "end"))
        if low <= va & 0x7FFFFFFF < high and (va < 1 << 31 or va >> 31 == (1 << 33) - 1):
            view = "" if va >> 63 else ", at its physical address"
            return f" ({name}_start..{name}_end{view})"
    return ""


def _walk(machine: Machine, va: int) -> list[str]:
    """The entries that the processor would read, for who wants to look."""
    try:
        entries = paging.path(machine.phys, machine.sym("boot_l4") & 0x7FFFFFFF, va)
    except Failure as broken:
        return [broken.seen]
    return [f"the walk for {va:#x} from boot_l4:", *(f"  {entry}" for entry in entries)]
