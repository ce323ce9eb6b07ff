"""Exercises 2.5, 2.6 and 2.8, on the tables in use: what the processor itself makes of a page, its
TLB included."""

from __future__ import annotations

from random import Random

from grade.lab2.kernel import Kernel, ask
from grade.machine import Interrupt
from grade.machine.layout import PAGE, VECTOR_PF, WINDOW_BASE
from grade.machine.paging import ADDRESS, NO_EXECUTE, PRESENT, WRITABLE, canonical
from grade.outcome import expect

WRITE = WRITABLE | NO_EXECUTE
PRESENT_BIT, WRITE_BIT, FETCH_BIT = 1, 2, 0x10  # of a page fault's error code
ABSENT, READ_ONLY, NOT_CODE = 0, PRESENT_BIT | WRITE_BIT, PRESENT_BIT | FETCH_BIT


def access_name(error: int) -> str:
    return ("a jump to" if error & FETCH_BIT else
            "a write to" if error & WRITE_BIT else "a read of")


class Live:
    """Pages in the address space that the kernel runs in."""

    def __init__(self, kernel: Kernel, rng: Random) -> None:
        self.kernel, self.m, self.rng = kernel, kernel.m, rng
        self.root = self.m.regs.cr3 & ADDRESS

    def address(self, first: int, last: int) -> int:
        """A free place, 1 GiB aligned, under one of these entries of the root."""
        entries = self.m.phys.table(self.root)
        top = self.rng.choice([i for i in range(first, last) if not entries[i]])
        return canonical((top << 39) + (self.rng.randrange(512) << 30))

    def both_halves(self) -> tuple[int, int]:
        return self.address(1, 255), self.address(257, 511)

    def frame(self, value: int) -> int:
        """A frame that begins with this value."""
        frame = self.kernel.frame()
        self.m.phys.set_u64(frame, value)
        return frame

    def map(self, va: int, frame: int, flags: int = WRITE) -> None:
        self.kernel.one("map_page", self.root, va, frame, flags).demand()

    def peek(self, va: int, value: int, when: str) -> None:
        """The kernel reads this value at va."""
        self.allowed(ABSENT, va, when)
        seen = self.kernel.one("probe_peek", va).value
        expect(seen == value, f"{when}, the kernel reads {seen:#x} at {va:#x}", f"{value:#x}")

    def allowed(self, access: int, va: int, when: str) -> None:
        """The kernel may do this."""
        fault = self._try(access, va)
        if fault is not None:
            expect(False, f"{access_name(access)} {va:#x} faults {when} (vector {fault.vector}, "
                   f"error code {fault.error:#x}, CR2 {fault.cr2 or 0:#x})", "it succeeds")

    def faults(self, error: int, va: int, when: str) -> None:
        """The kernel cannot do this: a page fault with this error code."""
        words = f"{access_name(error)} {va:#x} {when}"
        reason = "its rights forbid that" if error & PRESENT_BIT else "the page is not mapped"
        wanted = f"a page fault with error code {error:#x}: {reason}"
        fault = self._try(error, va)
        if fault is None:
            expect(False, f"{words} succeeds", wanted)
        else:
            expect((fault.vector, fault.error, fault.cr2) == (VECTOR_PF, error, va),
                   f"{words} ends in vector {fault.vector}, error code {fault.error:#x}, "
                   f"CR2 {fault.cr2 or 0:#x}", wanted)

    def _try(self, access: int, va: int) -> Interrupt | None:
        if access & FETCH_BIT:
            return self.m.call.attempt(va)
        return self.m.call.attempt("probe_poke" if access & WRITE_BIT else "probe_peek", va,
                                   0x5EED)


def check_unmap(live: Live, va: int) -> None:
    """A page that was read is unmapped, and another one put in its place by hand: whoever reads
    the old one did not make the processor forget it."""
    old, new = (live.rng.getrandbits(63) for _ in range(2))
    frame, other = live.frame(old), live.frame(new)
    live.map(va, frame)
    live.map(va + PAGE, frame)  # keeps the tables
    found = live.m.memory.walk(va)
    expect(found, f"after map_page the tables in use do not map {va:#x}", "the page is there")
    assert found
    entry = WINDOW_BASE + found.leaf.pa
    replies = live.kernel.all([
        ask("probe_peek", va), ask("unmap_page", live.root, va, live.kernel.slots),
        ask("probe_poke", entry, other | PRESENT | WRITE), ask("probe_peek", va)])
    expect(replies[0].value == old, f"the kernel reads {replies[0].value:#x} at {va:#x}",
           f"{old:#x}, what is in the frame that was mapped there")
    replies[1].demand()
    expect(replies[3].value == new, f"after unmap_page and with another frame mapped at {va:#x} "
           f"the kernel still reads {replies[3].value:#x}, what is in the old one: the TLB was "
           "not told", f"{new:#x}")
    live.kernel.all([ask("probe_peek", va), ask("unmap_page", live.root, va, live.kernel.slots)])
    live.faults(ABSENT, va, "after unmap_page")
    live.map(va, other)
    live.peek(va, new, "after the page was mapped again")


def check_protect(live: Live, va: int) -> None:
    """Rights that are taken away are gone at once, although the page was just used with them."""
    code = live.frame(0xC3_0000_5EED_B8)  # mov eax, 0x5eed; ret
    frame = live.frame(0)
    live.map(va, frame)
    live.kernel.all([ask("probe_poke", va, 1),
                     ask("protect_page", live.root, va, NO_EXECUTE)])[1].demand()
    live.faults(READ_ONLY, va, "after protect_page made it read-only")
    live.kernel.one("protect_page", live.root, va, WRITE).demand()
    live.allowed(WRITE_BIT, va, "after protect_page made it writable again")
    va += PAGE
    live.map(va, code, 0)
    replies = live.kernel.all([ask(va), ask("protect_page", live.root, va, NO_EXECUTE)])
    expect(replies[0].value & 0xFFFF_FFFF == 0x5EED, f"code in a page mapped at {va:#x} returns "
           f"{replies[0].value:#x}", "0x5eed")
    replies[1].demand()
    live.faults(NOT_CODE, va, "after protect_page took execution away")


def check_large(live: Live, va: int, pa: int) -> None:
    """One page of a large one that is in use is unmapped, another one made read-only."""
    spots = [va + PAGE * page for page in (0, 5, 6, 7, 511)]
    values = [live.rng.getrandbits(63) for _ in spots]
    for spot, value in zip(spots, values):
        live.m.phys.set_u64(pa + spot - va, value)
    live.kernel.one("map_large_page", live.root, va, pa, WRITE, 2).demand()
    for error, spot, call in (
            (ABSENT, spots[1], ask("unmap_page", live.root, spots[1], live.kernel.slots)),
            (READ_ONLY, spots[3], ask("protect_page", live.root, spots[3], NO_EXECUTE))):
        warm = [ask("probe_peek", each) for each in spots if each != spots[1] or not error]
        live.kernel.all([*warm, call])[-1].demand()
        live.faults(error, spot, f"in a large page, after {call.function}")
    for spot, value in zip(spots, values):
        if spot != spots[1]:
            live.peek(spot, value, "in a large page of which another part was changed")
    live.allowed(WRITE_BIT, spots[2], "in a large page of which another part was changed")
