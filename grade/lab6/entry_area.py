"""Exercise 6.1: the entry area's pages and their rights, and what the processor finds there."""

from __future__ import annotations

import struct
from typing import NamedTuple

from grade.lab1.segments import INTERRUPT_GATE
from grade.lab6.kernel import kernel_root
from grade.machine import Machine, layout
from grade.machine.layout import ENTRY_STUB_SIZE, PAGE, VECTORS
from grade.machine.paging import (ACCESSED, ADDRESS, DIRTY, GLOBAL, HALF, LAST, PRESENT, USER,
                                  WRITABLE, Mapping, path, table_frames)
from grade.machine.state import IST, KERNEL_CS, OWN_STACK, ist_top
from grade.outcome import equal, expect

START, PAGES = layout.TRAMPOLINE_VADDR, layout.ENTRY_PAGES
CODE, CONSTANT, DATA = "R-X", "R--", "RW-"
OPEN_GATES = (3, 0x80)  # ring 3 may use these
TSS_TYPE = 11


def entry_stack_top(vector: int) -> int:
    """The top of the stack in the entry area that a vector has of its own."""
    return layout.numbers()[f"ENTRY_{OWN_STACK[vector]}_TOP"]


def below(top: str) -> dict[int, str]:
    """The page of a stack."""
    return {layout.numbers()[top] - PAGE: DATA}


RIGHTS: dict[int, str] = {
    **{START + PAGE * i: CODE for i in range(layout.ENTRY_CODE_PAGES)},
    layout.ENTRY_IDT: CONSTANT, layout.ENTRY_GDT: CONSTANT, layout.ENTRY_PERCPU: DATA,
    **below("ENTRY_STACK_TOP"), **below("ENTRY_NMI_TOP"), **below("ENTRY_DEBUG_TOP"),
    **below("ENTRY_DOUBLE_FAULT_TOP"), **below("ENTRY_MACHINE_CHECK_TOP")}

NAMES = {START: "code", layout.ENTRY_IDT: "the IDT", layout.ENTRY_GDT: "GDT and TSS",
         layout.ENTRY_PERCPU: "struct percpu"}


def named(va: int) -> str:
    """A page of the entry area, for people."""
    name = NAMES.get(va) or ("a stack" if RIGHTS.get(va) == DATA else
                             "code" if va in RIGHTS else "no page of the entry area")
    return f"{va:#x} ({name})"


def rights(page: Mapping) -> str:
    return "R" + ("W" if page.writable else "-") + ("X" if page.executable else "-")


def kernel_frames(machine: Machine) -> dict[int, int]:
    """The frame of each page of the entry area, as the kernel's own tables have it."""
    found = {va: machine.memory.walk(va, kernel_root(machine)) for va in RIGHTS}
    absent = [va for va, each in found.items() if not each]
    expect(not absent, f"{named(absent[0]) if absent else ''} is not mapped in the kernel's space",
           "all of the entry area is")
    return {va: each.frame for va, each in found.items() if each}


def check_pages(machine: Machine, cr3: int, where: str) -> list[Mapping]:
    """In the kernel half of these tables are the pages of the entry area and nothing else, each
    with its frame and its rights: for the kernel only, and not global. What is mapped."""
    frames = kernel_frames(machine)
    found = machine.memory.mappings(cr3, HALF, LAST)
    for page in found:
        expect(page.va in RIGHTS, f"{where}: {named(page.va)} is mapped, {page.size:#x} bytes: "
               f"ring 0 reads physical {page.pa:#x} there",
               "in the kernel half only the pages of the entry area are (layout.h, ENTRY_*)")
        check_page(page, frames[page.va], where)
    for va in sorted(set(RIGHTS) - {page.va for page in found}):
        expect(False, f"{where}: {named(va)} is not mapped", "the whole entry area is")
    return found


def check_page(page: Mapping, frame: int, where: str) -> None:
    what = f"{where}: {named(page.va)}"
    equal(page.size, PAGE, f"{what}: the size of the page")
    equal(rights(page), RIGHTS[page.va], f"{what}: its rights")
    expect(not page.entry & (USER | GLOBAL), f"{what}: bit U or G is set in its entry, "
           f"{page.entry:#x}", "neither: it is the kernel's alone, and must not stay in the TLB")
    equal(page.pa, frame, f"{what}: its frame, which the kernel's own tables have as well,")


def check_bits(machine: Machine, way: int, where: str) -> None:
    """On the whole way to the entry area no entry is for ring 3, or global, or forbids anything."""
    value = way
    for level in (4, 3, 2):
        equal(value & ~(ADDRESS | ACCESSED | DIRTY), PRESENT | WRITABLE,
              f"{where}: the bits of the entry of level {level}, {value:#x},")
        value = machine.phys.u64((value & ADDRESS) + 8 * LAST)


class Chain(NamedTuple):
    """The tables on the way."""

    level3: int
    level2: int
    level1: int


def check_chain(machine: Machine, way: int, kernels: set[int]) -> Chain:
    """Two new tables with one entry each, and then the kernel's own for the entry area."""
    check_bits(machine, way, "the way to the entry area")
    tables = [way & ADDRESS]
    for level in (3, 2):
        table = tables[-1]
        expect(table not in kernels, f"the way leads to {table:#x}, a table of level {level} that "
               "the kernel's own space uses: all that this shows, a program's tables show",
               "a new table: the chain shows the entry area and nothing else")
        entries = machine.phys.table(table)
        for i, entry in enumerate(entries[:LAST]):
            equal(entry, 0, f"entry {i} of the chain's table of level {level}")
        tables.append(entries[LAST] & ADDRESS)
    own = path(machine.phys, kernel_root(machine), START)
    equal(own[-1].level, 1, "the level at which the entry area ends in the kernel's tables")
    equal(tables[-1], own[-1].table, "the table of level 1 at the end of the chain")
    return Chain(*tables)


def fake_root(machine: Machine, way: int, frame: int) -> int:
    """A level-4 table of the grader's that has nothing but the way."""
    machine.phys.write(frame, bytes(8 * LAST) + struct.pack("<Q", way))
    return frame


def all_tables(machine: Machine) -> set[int]:
    return table_frames(machine.phys, kernel_root(machine))


# ---- What the processor uses ------------------------------------------------------------------

def check_in_use(machine: Machine) -> None:
    """GDTR, IDTR and TR lead into the entry area, and what lies there is right."""
    system = machine.system
    equal(system.gdtr.base, layout.ENTRY_GDT, "the base in GDTR")
    equal(system.idtr.base, layout.ENTRY_IDT, "the base in IDTR")
    equal(system.idtr.limit, 16 * VECTORS - 1, "the limit in IDTR")
    equal(system.tr.base, layout.ENTRY_TSS, "the base in TR")
    check_tss(machine)
    check_gates(machine)


def check_tss(machine: Machine) -> None:
    tss = layout.ENTRY_TSS
    equal(machine.memory.u64(tss + layout.TSS_RSP0), layout.ENTRY_STACK_TOP, "rsp[0] in the TSS")
    for vector, number in IST.items():
        equal(ist_top(machine, vector, tss), entry_stack_top(vector),
              f"the stack of IST {number} in the TSS")


def check_gates(machine: Machine) -> None:
    """256 gates, each to its own stub in the entry area."""
    stubs = machine.sym("entry_stubs")
    for vector in range(VECTORS):
        gate = machine.memory.read(layout.ENTRY_IDT + 16 * vector, 16)
        low, selector, ist, kind, middle, high = struct.unpack("<HHBBHI", gate[:12])
        equal(low | middle << 16 | high << 32, stubs + ENTRY_STUB_SIZE * vector,
              f"where the gate of vector {vector} leads to")
        equal((selector, ist), (KERNEL_CS, IST.get(vector, 0)),
              f"selector and IST of the gate of vector {vector}")
        dpl = 3 if vector in OPEN_GATES else 0
        equal(kind, 0x80 | dpl << 5 | INTERRUPT_GATE, f"the attributes of the gate of {vector}")
