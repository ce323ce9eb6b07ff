"""Exercise 2.8: what the kernel's tables must map, and what the processor must refuse."""

from __future__ import annotations

from collections.abc import Iterator

from grade.lab2.frames import booted_layout
from grade.lab2.kernel import Kernel, ask
from grade.lab2.mmu import FETCH_BIT, Live
from grade.lab2.memory_maps import Run, down, union, up, without
from grade.lab2.address_space import check_no_user_bits, path_lines
from grade.machine import Machine, Mapping
from grade.machine.layout import (CR0_WP, EFER_NXE, EXIT_PANIC, KERNEL_BASE, PAGE, STACK_GUARD_SIZE,
                                  STACK_SIZE, VECTOR_DF, WINDOW_BASE)
from grade.machine.paging import ADDRESS, merged, page_size
from grade.outcome import Failure, Outcome, expect

STACK = STACK_GUARD_SIZE + STACK_SIZE
LARGEST_PAGE = 3  # the level of 1 GiB pages; the grader's processor has them
RET = b"\xc3"

Rights = tuple[int, int, str]  # addresses from the first up to, and without, the second


def check_control(m: Machine) -> None:
    """The registers without which rights in page tables mean nothing, and the root in use."""
    registers = m.regs
    expect(registers.cr0 & CR0_WP, f"CR0 is {registers.cr0:#x}: WP is off, and the kernel may "
           "write to read-only pages", "CR0.WP is on")
    expect(registers.efer & EFER_NXE, f"EFER is {registers.efer:#x}: NXE is off",
           "EFER.NXE is on")
    root = m.memory.u64(m.sym("kernel_root"))
    expect(registers.cr3 & ADDRESS == root, f"CR3 is {registers.cr3:#x} when the kernel is "
           f"ready, and kernel_root {root:#x}", "the kernel's own tables are in use")


def image_rights(m: Machine) -> list[Rights]:
    """The parts of the image, with the guard pages left out of the data."""
    parts = [(m.sym(f"{name}_start"), m.sym(f"{name}_end"), rights)
             for name, rights in (("text", "r-x"), ("rodata", "r--"))]
    data = (m.sym("data_start") // PAGE, m.sym("data_end") // PAGE)
    return parts + [(start * PAGE, end * PAGE, "rw-")
                    for start, end in without([data], ((at // PAGE, at // PAGE + 1)
                                                       for at in guards(m)))]


def guards(m: Machine) -> range:
    """The guard page of each stack."""
    return range(m.sym("stacks_start"), m.sym("stacks_end"), STACK)


def window_rights(m: Machine) -> list[Rights]:
    """Available memory in the window; the image's code and constants are read-only there too."""
    usable = union((up(start), down(end)) for start, end in booted_layout(m).usable())
    constant = ((m.sym("text_start") - KERNEL_BASE) // PAGE,
                (m.sym("rodata_end") - KERNEL_BASE) // PAGE)
    outside = without(usable, [constant])
    pieces = [(run, "rw-") for run in outside]
    pieces += [(run, "r--") for run in without(usable, outside)]
    return sorted((WINDOW_BASE + start * PAGE, WINDOW_BASE + end * PAGE, rights)
                  for (start, end), rights in pieces)


def rights(mapping: Mapping) -> str:
    return ("r" + ("w" if mapping.writable else "-") + ("x" if mapping.executable else "-")
            + ("u" if mapping.user else "") + ("g" if mapping.global_ else ""))


def check_mappings(m: Machine) -> None:
    """All that is mapped is what kernel_space.h promises, and all of that is mapped."""
    root = m.regs.cr3 & ADDRESS
    check_no_user_bits(m, root)
    mappings = m.memory.mappings()
    for mapping in mappings:
        check_place(m, mapping)
    expected = coalesce(sorted(image_rights(m) + window_rights(m)))
    seen = [(each.va, each.end, rights(each)) for each in merged(mappings)]
    wrong = first_difference(seen, expected)
    if wrong is not None:
        raise Failure(Outcome.WRONG, f"at {wrong:#x}, {name_of(m, wrong)}: {at(seen, wrong)}",
                      at(expected, wrong), details=path_lines(m, root, wrong))
    check_sizes(m, mappings)


def check_place(m: Machine, mapping: Mapping) -> None:
    """Everything is mapped from one of two offsets, and both are in the upper half."""
    base = KERNEL_BASE if mapping.va >= KERNEL_BASE else WINDOW_BASE
    where = f"{mapping.va:#x} is mapped to {mapping.pa:#x}"
    expect(mapping.va >= WINDOW_BASE, f"{where}: the lower half is not empty",
           "nothing is mapped in the lower half when the kernel is ready")
    expect(mapping.va - base == mapping.pa, where, f"{mapping.va - base:#x}")


def coalesce(pieces: list[Rights]) -> list[Rights]:
    """Neighbours with the same rights made one."""
    found: list[Rights] = []
    for start, end, allowed in pieces:
        if found and found[-1][1] == start and found[-1][2] == allowed:
            found[-1] = (found[-1][0], end, allowed)
        elif start < end:
            found.append((start, end, allowed))
    return found


def first_difference(seen: list[Rights], expected: list[Rights]) -> int | None:
    """The lowest address at which two lists of pieces differ."""
    edges = sorted({edge for start, end, _ in [*seen, *expected] for edge in (start, end)})
    return next((edge for edge in edges if at(seen, edge) != at(expected, edge)), None)


def at(pieces: list[Rights], address: int) -> str:
    """What pieces say about an address, in words."""
    for start, end, allowed in pieces:
        if start <= address < end:
            return f"the page is mapped {allowed}"
    return "nothing is mapped"


def name_of(m: Machine, va: int) -> str:
    """What lies at an address, for people."""
    where = "in the kernel image"
    if va < KERNEL_BASE:
        where, va = "in the window", va - WINDOW_BASE + KERNEL_BASE
    for each in guards(m):
        if each <= va < each + PAGE:
            return f"{where}, the guard page of the stack that begins at {each + PAGE:#x}"
    for name, words in (("text", "code"), ("rodata", "constants"), ("data", "data")):
        if m.sym(f"{name}_start") <= va < m.sym(f"{name}_end"):
            return f"{where}, part of the {words}"
    return where


def check_sizes(m: Machine, mappings: list[Mapping]) -> None:
    """The window has a large page wherever a region of the memory map has room for one, but for
    those that had to be split because code or constants lie in them."""
    layout = booted_layout(m)
    constant = (m.sym("text_start") - KERNEL_BASE, m.sym("rodata_end") - KERNEL_BASE)
    usable = layout.usable()
    for mapping in mappings:
        for level in (2, 3):
            start = mapping.pa & -page_size(level)
            block = (start, start + page_size(level))
            if mapping.va >= KERNEL_BASE or mapping.size >= page_size(level):
                continue
            fits = any(first <= block[0] and block[1] <= last for first, last in usable)
            alone = not any(cuts(each, block) for each in [*usable, constant])
            expect(not fits or not alone, f"the window maps {block[0]:#x} to {block[1]:#x} with "
                   f"pages of {mapping.size >> 10} KiB", "one large page: all of it is available")


def cuts(piece: Run, block: Run) -> bool:
    """Does a piece of memory begin or end inside the block?"""
    return any(block[0] < edge < block[1] for edge in piece)


def check_tables_in_use(kernel: Kernel) -> None:
    """Every page table is a frame that the allocator has given away. Freeing them tells."""
    told = {"ERROR_DOUBLE_FREE": "is free for the allocator: the next one who asks gets it",
            "ERROR_FOREIGN_FRAME": "does not come from the allocator"}
    tables = sorted(kernel.m.memory.table_frames())
    for table, reply in zip(tables, kernel.all([ask("frame_free", each) for each in tables])):
        expect(reply.error == "OK", f"the kernel's page table at {table:#x} "
               f"{told.get(reply.error, reply.error)}", "page tables are allocated frames")


def forbidden(m: Machine) -> Iterator[tuple[int, int, str]]:
    """What the processor must refuse now: error code, address, words."""
    text, constants = m.sym("text_start"), m.sym("rodata_start")
    data = m.sym("probe_data")
    window = {va: va - KERNEL_BASE + WINDOW_BASE for va in (text, constants, data)}
    yield 3, text + 8, "in the kernel's code"
    yield 3, constants + 8, "in the kernel's constants"
    yield 3, window[text] + 8, "in the window, where the kernel's code is seen again"
    yield 3, window[constants] + 8, "in the window, where the kernel's constants are seen again"
    yield 0x11, data, "in the kernel's data"
    yield 0x11, constants, "in the kernel's constants"
    yield 0x11, window[text], "in the window"
    yield 0, 8, "in page 0"
    yield 0, m.sym("boot_start"), "where the boot code ran, at its physical address"
    yield 2, text - KERNEL_BASE, "in the lower half"
    for guard in guards(m):
        yield 2, guard + PAGE - 8, "in a guard page"


def check_forbidden(live: Live) -> None:
    """Try it all. Where a jump goes there is a `ret`, in case it succeeds."""
    phys = live.m.phys
    for error, address, words in forbidden(live.m):
        place = address - (KERNEL_BASE if address >= KERNEL_BASE else WINDOW_BASE)
        before = phys.u64(place) if error & FETCH_BIT else 0
        if error & FETCH_BIT:
            phys.write(place, RET)
        live.faults(error, address, words)
        if error & FETCH_BIT:
            phys.set_u64(place, before)


def check_overflow(m: Machine) -> None:
    """A stack that overflows: the page fault cannot be pushed, and the double fault has a stack
    of its own."""
    bottom = m.sym("boot_stack") + STACK_GUARD_SIZE
    m.set_regs(rsp=bottom, rip=m.sym("probe_peek"), rdi=bottom)
    m.run_to_exit(EXIT_PANIC)
    seen = [event.vector for event in m.events[-2:]]
    expect(seen == [14, VECTOR_DF], f"a stack overflow ends in the vectors {seen}",
           "a page fault in the guard page (14), then a double fault (8)")
