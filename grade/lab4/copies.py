"""Exercise 4.4: copy_from_user and copy_to_user, called while a program is in the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from grade.lab4.puppet import DATA_PAGES, Guest
from grade.machine import Machine, layout
from grade.machine.calls import LANDING
from grade.machine.console import Pattern
from grade.machine.layout import (EBADF, EFAULT, PAGE, SIGSEGV, SYS_getpid, SYS_write, USER_END,
                                  WINDOW_BASE, WORD)
from grade.machine.paging import NO_EXECUTE, USER, WRITABLE
from grade.machine.state import AC, DF, flags_clear, mapped
from grade.outcome import Failure, Outcome, equal, expect

TOP, LIMIT = layout.USER_STACK_TOP, layout.USER_STACK_LIMIT
ROOM = DATA_PAGES * PAGE  # of the kernel's buffer
MOST_SIZE = WORD - 1
HELLO = "Hello from userspace! (via Rung syscall handler)"  # and a line feed: 49 bytes
BASELINE: list[Pattern] = [
    "=== CRITICAL BASELINE TEST: Direct Hello World Execution ===",
    re.compile(r"\[USERMODE\] Entering Ring 3: entry=0x[0-9a-f]+ stack=0x[0-9a-f]+"), HELLO,
    "process 1 hello: exited with status 0", re.compile(r"BASELINE: status .*, 49 bytes written")]


class Copy(NamedTuple):
    """A range of the program's, and how many bytes of it can be copied."""

    words: str
    va: int
    size: int
    done: int


class Copies:
    """A program that stands in a system call, and its memory."""

    def __init__(self, guest: Guest) -> None:
        self.guest, self.m, self.rng = guest, guest.m, guest.rng
        self.buffer = self.m.sym("probe_data")
        guest.plant(rip=guest.program.int80, rax=SYS_getpid)
        self.m.run_to("trap")
        self.m.step()

    def call(self, function: str, *arguments: int) -> int:
        """What it returns; SMAP must be in force again."""
        before = self.m.call.begin(function, *arguments)
        after = self.m.call.end(before)
        flags_clear(after, (AC, DF), f"when {function} has returned", "SMAP is off while AC is 1")
        return after.rax

    def from_user(self, copy: Copy) -> None:
        """Call it; look at the count, and at every byte of the buffer."""
        rubbish = self.rng.randbytes(ROOM)
        self.m.memory.write(self.buffer, rubbish)
        count = self.call("copy_from_user", self.buffer, copy.va, copy.size)
        self.check_count("copy_from_user", copy, count)
        bytes_ = self.m.memory.read(copy.va, copy.done) if copy.done else b""
        self.same(self.m.memory.read(self.buffer, ROOM), bytes_ + rubbish[copy.done:],
                  f"the kernel's buffer after copy_from_user of {copy.words}")

    def to_user(self, copy: Copy) -> None:
        """Call it; look at the count, and at what the program has then."""
        data = self.rng.randbytes(ROOM)
        self.m.memory.write(self.buffer, data)
        behind = self.mapped(copy.va + copy.done)
        count = self.call("copy_to_user", copy.va, self.buffer, copy.size)
        self.check_count("copy_to_user", copy, count)
        if copy.done:
            self.same(self.m.memory.read(copy.va, copy.done), data[:copy.done],
                      f"the program's memory after copy_to_user of {copy.words}")
        if behind:
            self.same(self.mapped(copy.va + copy.done), behind,
                      f"what lies behind the end of copy_to_user of {copy.words}")

    def mapped(self, va: int) -> bytes:
        """What there is at an address, to the end of its page."""
        return self.m.memory.read(va, PAGE - va % PAGE) if self.m.memory.walk(va) else b""

    def check_count(self, function: str, copy: Copy, count: int) -> None:
        expect(count == copy.done, f"{function} of {copy.size:#x} bytes at {copy.va:#x} "
               f"({copy.words}) returns {count:#x}", f"{copy.done:#x}")

    def same(self, seen: bytes, expected: bytes, what: str) -> None:
        if seen != expected:
            at = next((i for i, (a, b) in enumerate(zip(seen, expected)) if a != b), len(seen))
            raise Failure(Outcome.WRONG, f"{what} is wrong from byte {at:#x} on",
                          "exactly the bytes that the count tells of are copied")

    # Places in the program's memory

    def page(self, va: int, flags: int) -> None:
        equal(self.m.call.error("address_space_add_page", self.guest.root, va, flags, self.buffer),
              "OK", f"address_space_add_page at {va:#x}")

    def unmap(self, va: int) -> None:
        """Take a page away from the program, as if it had never been there."""
        self.m.phys.set_u64(mapped(self.m, va).leaf.pa, 0)
        self.m.set_regs(cr3=self.m.regs.cr3)  # and forget it


def inside(guest: Guest, rng: Random) -> Iterator[Copy]:
    """Ranges that are all there, or end where the program's memory ends."""
    data = guest.program.data
    for _ in range(6):
        start = rng.randrange(ROOM)
        size = rng.randrange(ROOM - start + 1)
        yield Copy("in its data", data + start, size, size)
    left = rng.randrange(1, PAGE)
    yield Copy("to the very end of its data", data + ROOM - left, left, left)
    yield Copy("nothing at all", data + left, 0, 0)


def outside(machine_buffer: int, percpu: int, rng: Random) -> Iterator[Copy]:
    """Ranges that must not be touched."""
    few = rng.randrange(1, 16)
    yield Copy("up to USER_END", USER_END - few, few, few)
    for words, va, size in (
            ("one byte beyond USER_END", USER_END - few, few + 1),
            ("at USER_END", USER_END, 1), ("nothing, at USER_END", USER_END, 0),
            ("up to 2^47", USER_END - few, few + PAGE), ("not canonical", 1 << 47, few),
            ("not canonical", 1 << 62 | rng.getrandbits(47), few),
            ("across USER_END by a size that wraps around", USER_END - few, MOST_SIZE),
            ("a size of 2^64 - 1", PAGE, MOST_SIZE),
            ("wrapping around address 0", WORD - few, few + PAGE),
            ("in the kernel's image", machine_buffer + 0x8000, few), ("percpu itself", percpu, 8),
            ("in the window", WINDOW_BASE + 0x200000, few)):
        yield Copy(words, va, size, 0)


def broken(copies: Copies, rng: Random) -> Iterator[Copy]:
    """Ranges that begin well and do not end so; and the first of them does not even begin."""
    data, hole = copies.guest.program.data, copies.guest.program.data + 2 * PAGE
    copies.unmap(hole)
    before = rng.randrange(1, 2 * PAGE)
    few = rng.randrange(1, 64)
    yield Copy("below its data, where nothing is mapped", data - few, 2 * few, 0)
    yield Copy("where a page in the middle is not mapped", hole - before, before + 2 * PAGE, before)
    yield Copy("that begins in the unmapped page", hole + PAGE - few, 2 * few, 0)
    yield Copy("behind the unmapped page, beyond the end", hole + 2 * PAGE - few, 3 * few, few)
    yield Copy("from address 0", 0, few, 0)


def read_only(copies: Copies, rng: Random) -> Iterator[Copy]:
    """What ring 3 cannot write, the kernel cannot write for it."""
    few = rng.randrange(1, 64)
    yield Copy("its constants, a read-only page", copies.guest.program.constants + few, few, 0)
    yield Copy("its code", copies.guest.program.spare, few, 0)
    data = copies.guest.program.data
    found = mapped(copies.m, data + PAGE)
    copies.m.phys.set_u64(found.leaf.pa, found.leaf.value & ~WRITABLE)
    copies.m.set_regs(cr3=copies.m.regs.cr3)
    yield Copy("that runs into a read-only page", data + PAGE - few, 2 * few, few)


def stack(rng: Random) -> Iterator[Copy]:
    """The stack grows as if the program itself had gone there."""
    pages = rng.randrange(2, 4)
    start = TOP - rng.randrange(20, 60) * PAGE - rng.randrange(PAGE)
    yield Copy("in the stack, where it has not been yet", start, pages * PAGE, pages * PAGE)
    yield Copy("the lowest bytes of the stack", LIMIT, 16, 16)
    yield Copy("in the stack's guard page", LIMIT - 16, 16, 0)
    yield Copy("from the guard page into the stack", LIMIT - 8, 16, 0)


def check_grown(copies: Copies, copy: Copy) -> None:
    """The pages are what a program's stack has."""
    for va in range(copy.va & -PAGE, copy.va + copy.done, PAGE) if copy.done else ():
        found = copies.m.memory.walk(va, copies.guest.root)
        expect(found and found.leaf.value & (USER | WRITABLE | NO_EXECUTE)
               == USER | WRITABLE | NO_EXECUTE, f"the stack's page {va:#x} is "
               + (str(found.leaf) if found else "not mapped"), "user, writable, not executable")


def check_other_faults(copies: Copies) -> None:
    """A page fault at the copy's address, but in ring 3, and one of the kernel's own."""
    guest, m = copies.guest, copies.m
    guest.come_back(guest.program.int80 + 2, "the system call")
    access = m.sym("user_copy_access")
    guest.plant(rip=access)
    m.run_to("process_kill")
    equal(m.regs.rdi, SIGSEGV, "the signal that ends a program which jumps to user_copy_access")
    said = next(line for line in reversed(m.console.lines) if "vector 14" in line)
    expect(f"at {access:016x}," in said,
           f"a program that jumps to user_copy_access is told: {said}",
           f"RIP is {access:016x}, where the program faulted",
           "on_page_fault: that address in RIP is user_copy's only if CS says ring 0")
    m.run_to("boot_return_to_kernel")
    m.call.begin("strlen", guest.program.data)
    expect(m.run_to("trap_unexpected", LANDING) == m.sym("trap_unexpected"),
           "strlen of a program's address, in the kernel and with SMAP on, returns as if all were"
           " well", "a page fault that nobody forgives: it was not user_copy's access")
    m.run_to_exit(layout.EXIT_PANIC)


def check_write(guest: Guest) -> None:
    """write(2) by int 0x80: what can be read is printed, and counts."""
    m, rng, data = guest.m, guest.rng, guest.program.data
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(300, 600)))
    end = data + ROOM
    m.memory.write(end - len(text), text.encode())
    for fd, va, size, result, printed in (
            (1, end - len(text), len(text), len(text), text), (2, end - 9, 9, 9, text[-9:]),
            (1, end - 7, 5000, 7, text[-7:]), (1, end, 1, -EFAULT, ""), (1, data, 0, 0, ""),
            (3, data, 1, -EBADF, ""), (0, data, 1, -EBADF, ""),
            (1, m.sym("percpu"), 8, -EFAULT, ""), (1, 1 << 47, 8, -EFAULT, "")):
        before = len(m.console.text)
        equal(guest.ask(SYS_write, fd, va, size, by="int80"), result,
              f"write({fd}, {va:#x}, {size})")
        m.session.pump.drain()
        equal(m.console.text[before:], printed, f"what write({fd}, {va:#x}, {size}) prints")


def spoil_baseline(machine: Machine) -> None:
    """Make the embedded hello end by a fault: its first instruction is now ud2."""
    file = machine.memory.u64(machine.sym("embedded_baseline") + 8)
    entry = machine.memory.u64(file + 24)
    table = machine.memory.u64(file + 32)
    offset, address = machine.memory.u64(file + table + 8), machine.memory.u64(file + table + 16)
    machine.memory.write(file + offset + entry - address, b"\x0f\x0b")
