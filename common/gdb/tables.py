"""Page tables: where an address leads, the two tables of a pair, and pages that are shared."""

import itertools

import gdb

from common.gdb.machine import (NUMBERS, Command, Memory, has, integer, kernel_bytes, number,
                                register, variable)
from common.gdb.processes import all_processes, owner
from grade import words
from grade.machine import layout, paging

SHADOW_BIT = NUMBERS["SHADOW_BIT"]


class Walk(Command):
    """rung-walk ADDRESS [ROOT]: the entry of each level for an address, by CR3 or another root."""

    name = "rung-walk"

    def run(self, address, root="$cr3"):
        address, root, memory = number(address), number(root), Memory()
        for entry in paging.path(memory, root, address):
            print(f"L{entry.level}[{entry.slot:3}] at {entry.table:#x}: {entry.value:#018x} "
                  f"{words.entry_rights(entry.value):6}"
                  f"{words.entry_flags(entry.value, entry.level)}")
        found = paging.walk(memory, root, address)
        if not found:
            print("not mapped")
            return
        print(f"together: {words.rights(found.writable, found.executable, found.user)}")
        print(f"physical {found.pa:#x}, in a page of {words.size(found.size)}")


class Shadow(Command):
    """rung-shadow [ROOT]: a process's level-4 table and its shadow (lab 6), side by side; by
    default those of CR3."""

    name = "rung-shadow"

    def run(self, root="$cr3"):
        if not has("entry_stubs"):
            raise gdb.GdbError("this lab has no shadow tables; lab 6 has")
        root = number(root) & paging.ADDRESS & ~SHADOW_BIT
        memory = Memory()
        own, shadow = memory.table(root), memory.table(root | SHADOW_BIT)
        here = {0: "kernel's", SHADOW_BIT: "shadow"}[register("cr3") & SHADOW_BIT]
        print(f"kernel's {root:#x}, shadow {root | SHADOW_BIT:#x}; in CR3: {here} "
              f"({owner(register('cr3'))})")
        print(f"{'':34}{'kernel':18} shadow")
        present = [slot for slot in range(512) if own[slot] or shadow[slot]]
        for _, slots in itertools.groupby(present, lambda slot: (
                self.what(slot), words.entry_rights(own[slot]), bool(shadow[slot]))):
            first, *others = slots
            print(self.line(first, own[first], shadow[first]))
            if others:
                print(f"        and {len(others)} more like it, up to L4[{others[-1]}]")

    @staticmethod
    def what(slot):
        if slot == 511:
            return "kernel image, entry area"
        address = paging.canonical(slot << 39)
        return words.region(address, NUMBERS, lambda address: "").replace("guard of ", "")

    def line(self, slot, own, shadow):
        same = own & ~paging.ACCESSED == shadow & ~paging.ACCESSED
        return (f"L4[{slot:3}] {self.what(slot):24} {self.entry(own):18} {self.entry(shadow):18}"
                f" {'same' if same else ''}").rstrip()

    @staticmethod
    def entry(value):
        return f"{value & paging.ADDRESS:#x} {words.entry_rights(value)}" if value & 1 else (
            f"{value:#x} not present" if value else "-")


class Cow(Command):
    """rung-cow ADDRESS: a page of the program, and which processes share its frame (lab 5 on)."""

    name = "rung-cow"

    def run(self, address):
        address, memory = number(address), Memory()
        here = self.leaf(memory, register("cr3"), address)
        if not here:
            print(f"{address:#x} is not mapped")
            return
        frame = here.pa & -4096
        print(f"{address:#x} is in frame {frame:#x}")
        for process in all_processes():
            found = self.leaf(memory, process.root, address)
            if found and found.pa & -4096 == frame:
                entry = found.leaf.value
                cow = ", COW: copied at a write" if entry & layout.PTE_COW else ""
                print(f"  {process}: "
                      f"{words.rights(found.writable, found.executable, found.user)}{cow}")
        others = variable("others")
        if others is not None and integer(others):
            count = kernel_bytes(integer(others) + 2 * (frame // 4096), 2)
            print("the kernel's count of places beside the first: "
                  f"{int.from_bytes(count, 'little')}")

    @staticmethod
    def leaf(memory, root, address):
        return paging.walk(memory, root, address)


Walk()
Shadow()
Cow()
