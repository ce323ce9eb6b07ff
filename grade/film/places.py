"""What lies where: the parts of an address space, and whose stack an address is on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from grade import words
from grade.machine import layout
from grade.machine.layout import PAGE, USER_END
from grade.machine.paging import Mapping
from grade.machine.symbols import Symbols

PROGRAM, KERNEL, ENTRY = "program", "kernel", "entry"  # whose something is
STACKS, SLOT = layout.KERNEL_STACKS_BASE, layout.STACK_SIZE + layout.STACK_GUARD_SIZE
STACKS_END = STACKS + layout.KERNEL_STACKS * SLOT
IMAGE, IMAGE_END = layout.KERNEL_BASE, layout.KERNEL_BASE + layout.IMAGE_LIMIT
ENTRY_AREA, ENTRY_END = layout.TRAMPOLINE_VADDR, layout.TRAMPOLINE_VADDR + layout.ENTRY_PAGES * PAGE
NONE = "no stack"  # where RSP is used for something else
LONGEST_FUNCTION = 0x800  # what lies farther behind a name has little to do with it
ENTRY_STACKS = {name: layout.numbers()[top] for top, name in words.ENTRY_STACKS.items()}
IST_NAMES = {layout.IST_DOUBLE_FAULT: "#DF's stack", layout.IST_NMI: "NMI's stack",
             layout.IST_MACHINE_CHECK: "#MC's stack", layout.IST_DEBUG: "#DB's stack"}
IMAGE_PARTS = (("text", "kernel code"), ("rodata", "kernel constants"), ("data", "kernel data"),
               ("bss", "kernel data"), ("boot", "boot code"))


class Area(NamedTuple):
    """A range of virtual addresses that has a name."""

    start: int
    end: int
    name: str
    owner: str


@dataclass(frozen=True)
class Stack:
    """A stack that the film shows: its highest address, and where it cannot go below."""

    name: str
    owner: str
    bottom: int
    top: int


class Places:
    """The names of a kernel's addresses. Only lab 6 has an entry area."""

    def __init__(self, symbols: Symbols, number: int, program: Symbols | None = None,
                 ist: Sequence[int] = (), percpu: int = 0) -> None:
        """`ist`: the tops of the stacks that the TSS names; `percpu`: where struct percpu is."""
        self.symbols, self.program, self.number = symbols, program, number
        self.percpu = percpu
        self.areas = [*self._user(), *self._image(), *self._kernel()]
        self.ist = {top: IST_NAMES[index] for index, top in enumerate(ist, 1)
                    if top and index in IST_NAMES}

    def _user(self) -> Iterable[Area]:
        yield Area(layout.USER_STACK_LIMIT, layout.USER_STACK_TOP, "program's stack", PROGRAM)

    def _kernel(self) -> Iterable[Area]:
        window = layout.WINDOW_BASE
        yield Area(window, window + layout.WINDOW_SIZE, "window: all of RAM", KERNEL)
        yield Area(STACKS, STACKS_END, "kernel stacks", KERNEL)
        if self.number < 6:
            return
        code = layout.ENTRY_CODE_PAGES * PAGE
        yield Area(ENTRY_AREA, ENTRY_AREA + code, "entry code", ENTRY)
        yield Area(layout.ENTRY_IDT, layout.ENTRY_IDT + PAGE, "IDT", ENTRY)
        yield Area(layout.ENTRY_GDT, layout.ENTRY_GDT + PAGE, "GDT and TSS", ENTRY)
        yield Area(layout.ENTRY_PERCPU, layout.ENTRY_PERCPU + PAGE, "struct percpu", ENTRY)
        for name, top in ENTRY_STACKS.items():
            yield Area(top - PAGE, top, name, ENTRY)

    def _image(self) -> Iterable[Area]:
        """The image's sections, at their addresses and, while booting, at their physical ones."""
        for part, name in IMAGE_PARTS:
            if f"{part}_start" not in self.symbols or f"{part}_end" not in self.symbols:
                continue
            start, end = self.symbols[f"{part}_start"], self.symbols[f"{part}_end"]
            if part == "boot":  # linked at its physical address
                start, end = start | IMAGE, end | IMAGE
            if not IMAGE <= start < end <= IMAGE_END:
                continue
            yield Area(start, end, name, KERNEL)
            yield Area(start - IMAGE, end - IMAGE, f"{name}, low", KERNEL)

    def area(self, va: int, user: bool | None = None) -> Area:
        """What an address belongs to. `user`: whether its page is one for ring 3."""
        low = va < USER_END
        for each in self.areas:
            if each.start <= va < each.end and not (user and low and each.owner == KERNEL):
                return each
        if low and (user or user is None):
            return Area(0, USER_END, "program", PROGRAM)
        if low:
            return Area(0, USER_END, "low addresses", KERNEL)
        if IMAGE <= va < IMAGE_END:
            return Area(IMAGE, IMAGE_END, "kernel image", KERNEL)
        return Area(USER_END, 1 << 64, "elsewhere in the kernel's half", KERNEL)

    def owner(self, va: int) -> str:
        """Whose code runs at an address."""
        if self.number >= 6 and ENTRY_AREA <= va < ENTRY_END:
            return ENTRY
        return PROGRAM if layout.IMAGE_LIMIT <= va < USER_END or self._programs(va) else KERNEL

    def _programs(self, va: int) -> bool:
        return self.program is not None and va < USER_END and bool(self.program.function(va))

    def stack(self, rsp: int, ring: int) -> Stack:
        """The stack that RSP is on. RSP may be its top, which is the next one's guard."""
        at = rsp - 8
        if self.number >= 6:
            for name, top in ENTRY_STACKS.items():
                if top - PAGE <= at < top:
                    return Stack(name, ENTRY, top - PAGE, top)
        for end, name in self.ist.items():
            if end - layout.STACK_SIZE <= at < end:
                return Stack(name, KERNEL, end - layout.STACK_SIZE, end)
        if STACKS <= at < STACKS_END:
            slot = (at - STACKS) // SLOT
            top = STACKS + (slot + 1) * SLOT
            return Stack(f"kernel stack {slot}", KERNEL, top - layout.STACK_SIZE, top)
        if layout.USER_STACK_LIMIT <= at < layout.USER_STACK_TOP:
            return Stack("program's stack", PROGRAM, layout.USER_STACK_LIMIT, layout.USER_STACK_TOP)
        return self._other_stack(at, ring)

    def _other_stack(self, at: int, ring: int) -> Stack:
        """The boot stack, which also has a physical address; or nothing that is a stack at all."""
        for base in (0, IMAGE):
            if "boot_stack" in self.symbols:
                bottom = (self.symbols["boot_stack"] & ~IMAGE | base) + layout.STACK_GUARD_SIZE
                if bottom <= at < bottom + layout.STACK_SIZE:
                    return Stack("boot stack", KERNEL, bottom, bottom + layout.STACK_SIZE)
        if ring == 3:
            return Stack("program's memory", PROGRAM, at & -PAGE, (at & -PAGE) + PAGE)
        name = "boot loader's stack" if self.number < 3 and at < USER_END else NONE
        return Stack(name, KERNEL if name != NONE else "none", at & -PAGE, (at & -PAGE) + PAGE)

    def function(self, va: int) -> str:
        """Symbol + offset, of the kernel or the program; or the bare address."""
        if self.program is not None and va < USER_END and self._programs(va):
            return self.program.function(va)
        return self.symbols.function(va) or f"{va:#x}"

    def pointer(self, value: int) -> str:
        """What a value points to, if it looks like an address: for people who read registers."""
        if value < layout.IMAGE_LIMIT // 8:
            return ""
        area = self.area(value)
        if "code" in area.name or area.name == "program":
            name, _, offset = self.function(value).partition("+")
            far = name.startswith("0x") or int(offset or "0", 16) > LONGEST_FUNCTION
            return "" if far else f"{name}+{offset}" if offset else name
        if area.name in ("elsewhere in the kernel's half", "low addresses"):
            return ""
        if area.name == "kernel stacks":
            return self.stack(value + 8 * bool(value % PAGE), 0).name
        variable = self.symbols.object(value) if area.name.startswith("kernel") else ""
        return variable or area.name


@dataclass
class Region:
    """Pages of one name and with the same rights."""

    name: str
    owner: str
    rights: str
    start: int
    end: int
    bytes: int = 0

    def plain(self) -> dict[str, object]:
        return {"name": self.name, "owner": self.owner, "rights": self.rights,
                "start": f"{self.start:x}", "end": f"{self.end:x}", "bytes": self.bytes,
                "size": words.size(self.bytes)}


def regions(pages: Sequence[Mapping], places: Places) -> list[Region]:
    """What a map of an address space shows, the highest address first."""
    found: dict[tuple[str, str], Region] = {}
    for page in pages:
        area = places.area(page.va, page.user)
        rights = words.rights(page.writable, page.executable, page.user)
        each = found.setdefault((area.name, rights),
                                Region(area.name, area.owner, rights, page.va, page.end))
        each.start, each.end = min(each.start, page.va), max(each.end, page.end)
        each.bytes += page.size
    return sorted(found.values(), key=lambda each: each.start, reverse=True)
