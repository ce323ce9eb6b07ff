"""Exercises 6.2 and 6.3: a table and its shadow, made, written to, and examined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from grade.lab import Lab
from grade.lab6.kernel import SHADOW, boot
from grade.machine import Machine, layout
from grade.machine.frames import check_number, count_free
from grade.machine.layout import PAGE, PTE_PAIR, USER_END
from grade.machine.paging import ACCESSED, HALF, LAST, NO_EXECUTE, PRESENT, USER, WRITABLE, flags
from grade.outcome import equal, expect

TRUE = b"\xb8\x01\0\0\0\xc3"  # mov eax, 1; ret
READ_WRITE = WRITABLE | NO_EXECUTE
FAR = 0x10_0000_0000_00


class Pairs:
    """A kernel before its first process, that makes address spaces for the grader."""

    def __init__(self, machine: Machine, rng: Random) -> None:
        self.m, self.rng = machine, rng
        self.way = demand_way(machine)

    def table(self, root: int) -> list[int]:
        return list(self.m.phys.table(root))

    def shadow(self, root: int) -> list[int]:
        return list(self.m.phys.table(root | SHADOW))

    def bare(self) -> int:
        """A pair of frames whose first is complete in the kernel half. What else is in the pair is
        rubbish: much of it looks like entries."""
        root = self.m.call.result("kpti_allocate_pair")
        self.m.phys.write(root, self.rng.randbytes(2 * PAGE))
        self.m.call("share_kernel_half", root)
        return root

    def space(self) -> int:
        return self.m.call.result("address_space_create")

    def map(self, root: int, va: int) -> None:
        frame = self.m.call.result("frame_alloc")
        equal(self.m.call.error("map_user_page", root, va, frame, READ_WRITE), "OK",
              f"what map_user_page returns for {va:#x}")

    def unmap(self, root: int, va: int) -> None:
        self.m.call("frame_free", self.m.call.result("unmap_page", root, va))

    def check_mirror(self, root: int, when: str) -> None:
        """The user halves are the same."""
        table, shadow = self.table(root), self.shadow(root)
        for i in range(HALF):
            expect((table[i] ^ shadow[i]) & ~ACCESSED == 0,
                   f"{when}: entry {i} of the shadow is {shadow[i]:#x} ({flags(shadow[i])})",
                   f"the same as in the process's table, {table[i]:#x} ({flags(table[i])})")

    def check_kernel_half(self, root: int, when: str) -> None:
        """Nothing but the way, in the last entry."""
        shadow = self.shadow(root)
        for i in range(HALF, LAST):
            equal(shadow[i], 0, f"{when}: entry {i} of the shadow")
        equal(shadow[LAST] & ~ACCESSED, self.way & ~ACCESSED,
              f"{when}: entry {LAST} of the shadow, the way to the entry area,")


def demand_way(machine: Machine) -> int:
    """The entry that kpti_init has got from entry_area_create."""
    way = machine.phys.u64(machine.sym("way_to_entry_area") - layout.KERNEL_BASE)
    expect(way & PRESENT, f"way_to_entry_area is {way:#x}", "an entry that is present")
    return way


@contextmanager
def pairs(lab: Lab, *, trusting: bool = True, **options: Any) -> Iterator[Pairs]:
    """A kernel where all is ready but the interrupts. Trusting: it does not look at its first
    shadow, which takes exercise 6.3."""
    with boot(lab, probe=True, **options) as m:
        m.run_to("timer_init")
        if trusting:
            m.memory.poke_code(m.sym("kpti_validate_shadow_tables"), TRUE)
        yield Pairs(m, lab.rng)


# ---- 6.2 --------------------------------------------------------------------------------------

def check_allocation(kernel: Pairs) -> None:
    """Pairs are aligned and whole, wherever the next free frame is."""
    taken: list[int] = []
    for _ in range(12):
        root = kernel.m.call.result("kpti_allocate_pair")
        equal(root % (2 * PAGE), 0, "the lowest 13 bits of a new pair's address")
        taken += [root, root | SHADOW, kernel.m.call.result("frame_alloc")]
    equal(len(set(taken)), len(taken), "the number of frames that are in use for as many purposes")


def take_all(kernel: Pairs) -> int:
    """Allocate every frame there is, in long runs. Returns the longest run's first."""
    m, longest, taken = kernel.m, 0, 0
    size = count_free(m)
    while size:
        error, first = m.call.out("frame_alloc_run", size)
        there = error == "OK"
        longest = longest or first * there
        taken += size * there
        check_number(m, taken)
        size = size if there else size // 2
    return longest


def check_scarce(kernel: Pairs) -> None:
    """Of memory in pieces, a pair is taken where there is one, and else nothing."""
    m, rng = kernel.m, kernel.rng
    base = take_all(kernel) + 2 * PAGE & ~SHADOW
    for n in range(40):
        m.call("frame_free", base + 2 * n * PAGE + rng.choice((0, PAGE)))
    free = count_free(m)
    error, _ = m.call.out("kpti_allocate_pair")
    equal(error, "ERROR_NO_FRAMES",
          "what kpti_allocate_pair returns when of each pair one frame is in use")
    equal(count_free(m), free, "the number of free frames afterwards")
    pair = base + 2 * rng.randrange(50, 90) * PAGE
    m.call("frame_free", pair)
    m.call("frame_free", pair + PAGE)
    error, root = m.call.out("kpti_allocate_pair")
    equal(error, "OK", "what kpti_allocate_pair returns when one pair is free as a whole")
    equal(root, pair, "the new pair's address, when only one is free as a whole")
    equal(count_free(m), free, "the number of free frames afterwards")


def check_made(kernel: Pairs) -> None:
    """A shadow from a table that is full of all sorts of entries, into a frame full of rubbish."""
    root = kernel.bare()
    m, before = kernel.m, kernel.table(root)
    neighbours = m.phys.read(root - PAGE, PAGE), m.phys.read(root + 2 * PAGE, PAGE)
    m.call("kpti_create_shadow_tables", root)
    after = kernel.table(root)
    for i in range(LAST):
        equal(after[i], before[i], f"entry {i} of the process's own table, which stays")
    equal(after[LAST], before[LAST] | PTE_PAIR,
          f"entry {LAST} of the process's own table: as it was, and PTE_PAIR")
    kernel.check_mirror(root, "a new shadow")
    kernel.check_kernel_half(root, "a new shadow")
    equal((m.phys.read(root - PAGE, PAGE), m.phys.read(root + 2 * PAGE, PAGE)), neighbours,
          "what lies before and behind the pair")


def check_mirroring(kernel: Pairs) -> None:
    """kpti_mirror, asked about one entry after the other: which are written to the frame behind?"""
    m, rng, root = kernel.m, kernel.rng, kernel.bare()
    for last in (PRESENT | PTE_PAIR, PRESENT | PTE_PAIR | WRITABLE, PRESENT, PTE_PAIR, 0):
        for i in (0, HALF - 1, HALF, LAST - 1, LAST, *rng.sample(range(LAST), 6)):
            table = [rng.getrandbits(64) * rng.randrange(2) for _ in range(LAST)] + [last]
            write_table(m, root, table)
            m.call("kpti_mirror", demand_window(root) + 8 * i)
            mirrored = i < HALF and last & (PRESENT | PTE_PAIR) == PRESENT | PTE_PAIR
            check_one(kernel, root, table, i, mirrored)


def check_one(kernel: Pairs, root: int, table: list[int], i: int, mirrored: bool) -> None:
    shadow, before = kernel.shadow(root), [0x5A] * 512
    what = f"after kpti_mirror(&table[{i}]), the last entry of the table being {table[LAST]:#x},"
    if mirrored:
        equal(shadow[i], table[i], f"{what} entry {i} of the table behind it")
        before[i] = table[i]
    for j in range(512):
        equal(shadow[j], before[j], f"{what} entry {j} of the table behind it, which is not "
              "concerned,")
    equal(kernel.table(root), table, f"{what} the table itself")


def write_table(machine: Machine, root: int, table: list[int]) -> None:
    data = b"".join(entry.to_bytes(8, "little") for entry in table)
    machine.phys.write(root, data + (0x5A).to_bytes(8, "little") * 512)


def demand_window(physical: int) -> int:
    return layout.WINDOW_BASE + physical


def random_page(rng: Random) -> int:
    """Mostly in an entry of level 4 of its own."""
    return rng.choice((FAR, 0x400000, rng.randrange(1, USER_END // PAGE) * PAGE,
                       rng.randrange(HALF) << 39 | rng.randrange(1, 1 << 27) * PAGE & ~0xFFF,
                       rng.randrange(1, USER_END // PAGE) * PAGE))


def check_life(kernel: Pairs) -> None:
    """Pages come and go in several spaces; spaces are copied, and destroyed; no frame is lost."""
    m, rng = kernel.m, kernel.rng
    free = count_free(m)
    spaces: dict[int, set[int]] = {kernel.space(): set() for _ in range(4)}
    check_distinct(list(spaces))
    for n in range(60):
        root = rng.choice(list(spaces))
        one_change(kernel, root, spaces[root])
        for each in spaces if n % 10 == 0 else (root,):
            kernel.check_mirror(each, "after pages were mapped and unmapped")
            kernel.check_kernel_half(each, "after pages were mapped and unmapped")
    copies = [clone(kernel, root) for root in spaces]
    check_distinct([*spaces, *copies])
    for root in (*spaces, *copies):
        kernel.check_mirror(root, "after clone_address_space")
        m.call("address_space_destroy", root)
    equal(count_free(m), free, "the number of free frames when all address spaces are destroyed")


def one_change(kernel: Pairs, root: int, pages: set[int]) -> None:
    va = random_page(kernel.rng) & ~(PAGE - 1)
    if pages and kernel.rng.random() < 0.4:
        va = kernel.rng.choice(sorted(pages))
    if va in pages:
        kernel.unmap(root, va)
        pages.remove(va)
    elif PAGE <= va < USER_END:
        kernel.map(root, va)
        pages.add(va)


def clone(kernel: Pairs, root: int) -> int:
    copy = kernel.space()
    equal(kernel.m.call.error("clone_address_space", root, copy, 0, 0), "OK",
          "what clone_address_space returns")
    return copy


def check_distinct(roots: list[int]) -> None:
    """Each process has a pair of its own, aligned."""
    for root in roots:
        equal(root % (2 * PAGE), 0, f"the lowest 13 bits of the pair {root:#x}")
    equal(len(set(roots)), len(roots), "the number of pairs for as many address spaces")


# ---- 6.3 --------------------------------------------------------------------------------------

def inhabited(kernel: Pairs) -> int:
    """An address space with pages in many entries of its level-4 table."""
    root = kernel.space()
    for slot in (0, HALF - 1, *kernel.rng.sample(range(1, HALF - 1), 5)):
        kernel.map(root, slot << 39 | 0x400000)
    return root


def validate(kernel: Pairs, root: int, expected: str) -> None:
    """Ask, and compare answer and message with what is expected: "" if all is well."""
    m = kernel.m
    m.session.pump.drain()
    heard = len(m.console.lines)
    answer = m.call.truth("kpti_validate_shadow_tables", root)
    m.session.pump.drain()
    said = m.console.lines[heard:]
    equal(said, [expected] if expected else [], "what kpti_validate_shadow_tables says")
    equal(answer, not expected, "what kpti_validate_shadow_tables returns, having said "
          f"{said or 'nothing'}")


def mismatch(kernel: Pairs, root: int, slot: int) -> str:
    return (f"[KPTI] Mismatch at L4[{slot}]: kernel={hexadecimal(kernel.table(root)[slot])}, "
            f"shadow={hexadecimal(kernel.shadow(root)[slot])}")


def hexadecimal(number: int) -> str:
    """As kprintf's %#lx shows it."""
    return f"{number:#x}" if number else "0"


@contextmanager
def changed(kernel: Pairs, place: int, value: int) -> Iterator[None]:
    """An entry that is not as it should be, for a moment."""
    before = kernel.m.phys.u64(place)
    kernel.m.phys.set_u64(place, value)
    yield
    kernel.m.phys.set_u64(place, before)


def check_user_half(kernel: Pairs, root: int) -> None:
    """Every bit counts, in both tables, but the accessed bit."""
    used = [i for i in range(HALF) if kernel.table(root)[i]]
    for slot in (*used, *kernel.rng.sample(range(HALF), 4)):
        for table in (root, root | SHADOW):
            place = table + 8 * slot
            entry = kernel.m.phys.u64(place)
            with changed(kernel, place, entry ^ ACCESSED):
                validate(kernel, root, "")
            for bit in (PRESENT, WRITABLE, USER, 1 << kernel.rng.randrange(12, 48), NO_EXECUTE):
                with changed(kernel, place, entry ^ bit):
                    validate(kernel, root, mismatch(kernel, root, slot))
    validate(kernel, root, "")


def check_kernel_half(kernel: Pairs, root: int) -> None:
    """Nothing between the halves but the way, and that is right, the accessed bit excepted."""
    shadow, rng = root | SHADOW, kernel.rng
    others = kernel.table(root)
    for slot in (HALF, LAST - 1, 402, *rng.sample(range(HALF, LAST), 4)):
        entry = rng.choice((others[slot], kernel.way, rng.getrandbits(64))) | PRESENT
        with changed(kernel, shadow + 8 * slot, entry):
            validate(kernel, root, f"[KPTI] Shadow L4[{slot}] unexpectedly present: {entry:#x}")
    last = shadow + 8 * LAST
    with changed(kernel, last, kernel.way ^ ACCESSED):
        validate(kernel, root, "")
    wrong = (0, kernel.way & ~PRESENT, kernel.way | USER, others[LAST],
             kernel.way ^ 1 << rng.randrange(12, 26))
    for entry in wrong:
        with changed(kernel, last, entry):
            validate(kernel, root, "[KPTI] Shadow L4[511] (trampoline) not present")
    validate(kernel, root, "")


def check_diagnosis(kernel: Pairs, root: int) -> None:
    """kpti_get_page_tables: both values of CR3."""
    check_pair(kernel.m, root, 0)


def check_pair(m: Machine, root: int, number: int) -> None:
    place = m.regs.rsp - 128
    equal(m.call.truth("kpti_get_page_tables", root, place, place + 8), True,
          "what kpti_get_page_tables returns")
    equal((m.memory.u64(place), m.memory.u64(place + 8)), (root, root | SHADOW | number),
          "the pair that it tells")


def check_inactive(lab: Lab) -> None:
    """Without isolation there is nothing that could be right."""
    with boot(lab, "pti=off") as m:
        m.run_to("timer_init")
        root = m.call.result("address_space_create")
        m.session.pump.drain()
        heard = len(m.console.lines)
        for name in ("kpti_validate_shadow_tables", "kpti_get_page_tables"):
            place = m.regs.rsp - 128
            equal(m.call.truth(name, root, place, place + 8), False,
                  f"what {name} returns with pti=off")
        m.session.pump.drain()
        equal(m.console.lines[heard:], [], "what kpti_validate_shadow_tables says with pti=off")
