"""Exercise 5.1: two address spaces with one memory: what clone_address_space and copy_on_write make
of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from grade.lab5.processes import Failing, Family
from grade.machine import layout
from grade.machine.layout import PAGE, PTE_COW, SYS_clock_gettime, USER_END
from grade.machine.paging import (ACCESSED, ADDRESS, DIRTY, HALF, NO_EXECUTE, WRITABLE, Mapping,
                                  Translation, flags)
from grade.outcome import equal, expect

OWN = ACCESSED | DIRTY  # the processor sets these when it likes
STORE = b"\x48\x89\x07\xeb\xfe"  # mov [rdi], rax; jmp $
LOAD = b"\x48\x8b\x07\xeb\xfe"  # mov rax, [rdi]; jmp $


def user_half(family: Family, root: int) -> list[Mapping]:
    return family.m.memory.mappings(root, 0, HALF - 1)


def enrich(family: Family, count: int = 10) -> list[int]:
    """Give the running process pages at random addresses, and at both ends of what it may have;
    some can only be read. Those that can be written, with what the puppet has."""
    rng, writable = family.rng, []
    places = [layout.USER_START, USER_END - PAGE,
              *(rng.randrange(1 << 35) * PAGE for _ in range(count))]
    for number, va in enumerate(places):
        may_write = number != 2 and rng.random() < 0.8
        rights = NO_EXECUTE | (WRITABLE if may_write else 0)
        family.m.call.result("address_space_add_page", family.m.regs.cr3, va, rights)
        family.m.memory.write(va, rng.randbytes(PAGE))
        writable += [va] if may_write else []
    return writable + [family.program.data + i * PAGE for i in range(4)]


def some_gap(family: Family, root: int) -> tuple[int, int]:
    """From the end of a page that is mapped to the beginning of the next; or none at all."""
    pages = user_half(family, root)
    before = family.rng.randrange(-1, len(pages) - 1)
    return (pages[before].va + PAGE, pages[before + 1].va) if before >= 0 else (0, 0)


def clone(family: Family, root: int) -> int:
    """A copy of an address space, made by the kernel; its root."""
    child = family.m.call.result("address_space_create")
    gap = some_gap(family, root)
    equal(family.m.call.error("clone_address_space", root, child, *gap), "OK",
          "the error that clone_address_space returns")
    return child


class Halves(NamedTuple):
    """The user halves of two address spaces, the parent's also as it was."""

    before: list[Mapping]
    parent: list[Mapping]
    child: list[Mapping]

    def check(self) -> None:
        """Both map what was mapped, nobody can write, and what could be written is marked."""
        for owner, now in (("the parent", self.parent), ("the child", self.child)):
            equal([hex(each.va) for each in now], [hex(each.va) for each in self.before],
                  f"the list of pages of {owner} after clone_address_space")
            for was, is_ in zip(self.before, now):
                self._entry(owner, was, is_)

    @staticmethod
    def _entry(owner: str, was: Mapping, now: Mapping) -> None:
        where = f"{owner}'s page at {was.va:#x} after clone_address_space"
        equal(now.pa, was.pa, f"the frame of {where}", "copy on write: the frames are the same")
        expected = was.entry & ~OWN
        if was.writable:
            expected = expected & ~WRITABLE | PTE_COW
        hint = ("it could be written, or could until an earlier fork: now it is PTE_COW and "
                "cannot" if expected & PTE_COW else "it could only be read: nothing changes")
        seen = now.entry & ~OWN
        expect(seen == expected, f"the entry of {where} is {seen:#x} ({words(seen)})",
               f"{expected:#x} ({words(expected)})", hint)


def words(entry: int) -> str:
    return flags(entry) + (" COW" if entry & PTE_COW else "")


def check_tables(family: Family, parent: int, child: int) -> None:
    """The tables of the user half are the child's own, those of the kernel's half are the same."""
    m = family.m

    def below(root: int, entries: Iterable[int]) -> set[int]:
        table = m.phys.table(root)
        return {table[i] & ADDRESS for i in entries if table[i] & 1}

    shared = below(parent, range(HALF)) & below(child, range(HALF))
    expect(not shared, f"parent and child share the tables {', '.join(map(hex, shared))}",
           "tables of its own for the child: only the frames of pages are shared")
    equal(below(child, range(HALF, 512)), below(parent, range(HALF, 512)),
          "the child's tables of the kernel's half")


def is_shared(family: Family, frame: int) -> bool:
    return family.m.call.truth("user_frame_is_shared", frame)


def check_counts(family: Family, pages: Iterable[Mapping], shared: bool, when: str) -> None:
    """What user_frame_is_shared says of the frames of pages."""
    for each in pages:
        seen = is_shared(family, each.pa)
        expect(seen == shared, f"{when}: the frame of the page at {each.va:#x} counts as "
               f"{'shared' if seen else 'mapped in one place only'}",
               "mapped in two places or more" if shared else "mapped in one place only",
               "user_frame_share in share_page, user_frame_release where a mapping ends")


def store(family: Family, va: int, value: int) -> None:
    """The program writes; whatever is to happen for it happens."""
    access(family, STORE, va, value)


def load(family: Family, va: int) -> int:
    """The program reads."""
    access(family, LOAD, va, 0)
    return family.m.regs.rax


def access(family: Family, code: bytes, va: int, value: int) -> None:
    """Execute in ring 3, from where the machine stands in ring 3."""
    at = family.program.spare + (0 if code is STORE else 16)
    family.plant(rip=at, rdi=va, rax=value)
    family.come_back(at + 3, f"a{' write to' if code is STORE else ' read of'} {va:#x}")


def faults(family: Family, va: int) -> None:
    """The program writes to a page that it wrote to before the clone: now that is a fault."""
    at = family.program.spare
    family.plant(rip=at, rdi=va, rax=0)
    stop = family.m.run_to("copy_on_write", at + 3)
    expect(stop != at + 3, f"the parent writes to the page at {va:#x} without a page fault, though "
           "its entry forbids it", "a page fault, and copy_on_write is called",
           "the TLB still holds the old entry: clone_address_space loads CR3")
    family.come_back(at + 3, "a write to a shared page")


def plant_code(family: Family) -> None:
    """What store and load execute: in a page that fork shares, so before it."""
    family.m.memory.poke_code(family.program.spare, STORE)
    family.m.memory.poke_code(family.program.spare + 16, LOAD)


def be(family: Family, root: int) -> None:
    """In ring 3 go on with this address space, as if a switch had been."""
    family.parent.put("image.root", root)
    family.m.set_regs(cr3=root)


def page(family: Family, root: int, va: int) -> Translation:
    """Where a page is mapped."""
    found = family.m.memory.walk(va, root)
    expect(found, f"the page at {va:#x} is not mapped any more", "it is mapped")
    assert found
    return found


def contents(family: Family, root: int, va: int) -> bytes:
    return family.m.phys.read(page(family, root, va).frame, PAGE)


class Side(NamedTuple):
    """One of two owners of a page, by name."""

    name: str
    root: int


class Write(NamedTuple):
    """A write by one of two that share a page."""

    family: Family
    writer: Side
    other: Side
    va: int

    def first(self) -> None:
        """While the page is shared: the writer gets a frame, the other notices nothing."""
        f, root = self.family, self.writer.root
        was, content = page(f, root, self.va), contents(f, root, self.va)
        others = page(f, self.other.root, self.va).leaf.value & ~OWN
        self._write(content)
        now = page(f, root, self.va)
        expect(now.frame != was.frame, f"after {self.words}: the frame is the one that both have",
               "a frame of its own for who writes, as long as another process has the old one")
        self._check_leaf(now.leaf.value, was.leaf.value)
        seen = page(f, self.other.root, self.va).leaf.value & ~OWN
        expect(seen == others, f"after {self.words}: the entry of {self.other.name} is {seen:#x} "
               f"({words(seen)})", f"still {others:#x} ({words(others)})")
        equal(contents(f, self.other.root, self.va) == content, True,
              f"after {self.words}: that {self.other.name} still has its content")

    def last(self) -> None:
        """Nobody else has the frame any more: it is the writer's, without a copy."""
        f, root = self.family, self.writer.root
        was, content = page(f, root, self.va), contents(f, root, self.va)
        self._write(content)
        now = page(f, root, self.va)
        equal(now.frame, was.frame, f"the frame after {self.words}, whose only owner that is,",
              "user_frame_is_shared says whether a copy is necessary")
        self._check_leaf(now.leaf.value, was.leaf.value)

    def _write(self, content: bytes) -> None:
        f = self.family
        offset, value = 8 * f.rng.randrange(PAGE // 8), f.rng.getrandbits(64)
        be(f, self.writer.root)
        store(f, self.va + offset, value)
        expected = content[:offset] + value.to_bytes(8, "little") + content[offset + 8:]
        seen = contents(f, self.writer.root, self.va)
        at = next((i for i in range(PAGE) if seen[i] != expected[i]), -1)
        expect(at < 0, f"after {self.words}: byte {at:#x} of the page is {seen[at]:#x}",
               f"{expected[at]:#x}: the page as it was, and what was written")
        equal(load(f, self.va + offset), value, f"what {self.writer.name} reads there after it")

    def _check_leaf(self, now: int, was: int) -> None:
        seen = now & ~OWN & ~ADDRESS
        expected = was & ~OWN & ~ADDRESS & ~PTE_COW | WRITABLE
        expect(seen == expected, f"after {self.words}: the flags of its entry are {words(seen)}",
               words(expected), "PTE_COW is gone, PTE_WRITABLE is back, the others stay")

    @property
    def words(self) -> str:
        return f"a write of {self.writer.name} to the page at {self.va:#x}"


def check_freshness(family: Family, root: int, va: int) -> None:
    """copy_on_write called for the space in use, whose old translation the TLB holds. We stand in
    ring 3."""
    load(family, va)
    old = page(family, root, va).frame
    family.into_kernel()
    equal(family.m.call.error("copy_on_write", root, va), "OK",
          "the error that copy_on_write returns")
    family.back()
    equal(page(family, root, va).frame != old, True, "that copy_on_write made a copy")
    family.m.phys.set_u64(old, family.rng.getrandbits(64))
    equal(load(family, va), family.m.phys.u64(page(family, root, va).frame),
          f"what the program reads at {va:#x} after copy_on_write",
          "the TLB still holds the old frame: tlb_flush_page")


def refuses(family: Family, root: int) -> None:
    """copy_on_write is for pages that are PTE_COW."""
    p = family.program
    cases = {p.constants: "a page that can only be read", p.entry & -PAGE: "a page of code",
             p.data: "a page that can be written", p.data - PAGE: "a page that is not mapped",
             1 << 46 | PAGE: "an address without even a table"}
    for va, what in cases.items():
        before = family.m.memory.walk(va, root)
        equal(family.m.call.error("copy_on_write", root, va), "ERROR_NOT_MAPPED",
              f"the error of copy_on_write for {what}")
        after = family.m.memory.walk(va, root)
        equal(after and after.leaf.value & ~OWN, before and before.leaf.value & ~OWN,
              f"the entry of {what} after copy_on_write")


def kernel_writes(family: Family, writer: int, other: int, va: int) -> None:
    """copy_to_user into two shared pages: they are copied for it. We stand in ring 3."""
    m, start = family.m, va + PAGE - 8
    before = contents(family, other, va), contents(family, other, va + PAGE)
    be(family, writer)
    equal(family.ask(SYS_clock_gettime, 1, start), 0,
          "clock_gettime into two pages that are shared by copy on write")
    equal((contents(family, other, va), contents(family, other, va + PAGE)) == before, True,
          "that the other process has its content after clock_gettime of the first")
    for each in (va, va + PAGE):
        leaf = page(family, writer, each).leaf.value
        expect(leaf & WRITABLE and not leaf & PTE_COW,
               f"the entry at {each:#x} after clock_gettime is {words(leaf)}", "the process's own")
    nanoseconds = m.memory.u64(start + 8)
    expect(nanoseconds < 10**9, f"clock_gettime wrote {nanoseconds} ns", "less than a second")


def killed(family: Family, va: int, signal: int, what: str) -> None:
    """A write that ends the process."""
    at = family.program.spare
    family.plant(rip=at, rdi=va, rax=0)
    stop = family.m.run_to(at + 3, "process_kill")
    expect(stop != at + 3, f"{what}: the program goes on", f"it ends by signal {signal}")
    equal(family.m.regs.rdi, signal, f"{what}: the signal")


def clone_without_memory(family: Family) -> None:
    """Let each frame_alloc of a clone fail, one after the other. We stand in the kernel."""
    m, root = family.m, family.m.regs.cr3
    before, failing = user_half(family, root), Failing(m)
    free = family.count_free()
    for n in range(1, 200):
        child = m.call.result("address_space_create")
        failing.left = n
        error = m.call.error("clone_address_space", root, child, 0, 0)
        tried = failing.happened
        failing.left = 0
        if tried:
            equal(error, "ERROR_NO_FRAMES", f"the error of clone_address_space when frame_alloc "
                  f"number {n} fails")
        m.call("address_space_destroy", child)
        equal(family.free(), free, f"frames_free() after clone_address_space had no memory (frame "
              f"{n}) and the child was destroyed")
        equal([(each.va, each.pa) for each in user_half(family, root)],
              [(each.va, each.pa) for each in before],
              "what the parent maps after a clone_address_space that failed")
        check_counts(family, before, False, "after a clone_address_space that failed")
        if not tried:
            equal(family.count_free(), free, "the number of free frames in the end")
            expect(n > 5, f"clone_address_space took {n - 1} frames", "some tables")
            return
