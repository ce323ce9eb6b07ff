"""Exercises 3.4 and 3.5: the kernel stack of a program: in its tables, and in the TSS."""

from __future__ import annotations

from random import Random

from grade.lab3.kernel import STACKS, Programs
from grade.lab3.ring3 import RSP0, Visitor
from grade.machine import Machine, layout, paging
from grade.machine.layout import PAGE, VECTOR_DF, VECTOR_PF, VECTOR_UD
from grade.machine.paging import ADDRESS, NO_EXECUTE, USER, WRITABLE, Mapping
from grade.machine.state import frame_size, mapped
from grade.outcome import Failure, Outcome, equal, expect

SIZE = layout.STACK_SIZE
TSS_SIZE = 104
UD2 = b"\x0f\x0b"


def stack_pages(m: Machine, root: int) -> list[Mapping]:
    """What the entry for kernel stacks maps."""
    return paging.mappings(m.phys, root, STACKS, STACKS)


def check_copy(kernel: Programs, root: int, bottom: int, top: int) -> None:
    """Exactly these pages, with the kernel's frames, and for the kernel only."""
    m, own = kernel.m, m_root(kernel)
    found = {each.va: each for each in stack_pages(m, root)}
    for va in range(bottom, top, PAGE):
        expect(va in found, f"{va:#x} of the kernel stack {bottom:#x} to {top:#x} is not mapped in "
               "the process", "every page of it is")
        page, there = found.pop(va), mapped(m, va, own)
        equal(page.pa, there.pa, f"the frame at {va:#x} in the process", "the mappings are copied, "
              "not the memory: both spaces must lead to the same frame")
        expect(page.writable and not page.executable,
               f"the kernel stack's page is mapped as {page}", "writable, not executable (-w-)")
        check_supervisor_only(m, root, va)
    expect(not found, f"{', '.join(map(str, found.values()))} is mapped, too",
           f"nothing but {bottom:#x} to {top:#x}: the page below is the guard")


def check_supervisor_only(m: Machine, root: int, va: int) -> None:
    """No entry on the way has the user bit."""
    for entry in mapped(m, va, root).entries:
        expect(not entry.value & USER, f"{entry}, on the way to the kernel stack at {va:#x}, has "
               "the user bit (U)", "no table of the kernel's half is open to ring 3")


def m_root(kernel: Programs) -> int:
    """The kernel's own level-4 table."""
    return kernel.m.memory.u64(kernel.m.sym("kernel_root"))


def copy_some(kernel: Programs, rng: Random) -> None:
    """Whole stacks, parts of them, two in the same process, and all frames back at the end."""
    free = kernel.count_free()
    stacks = [kernel.stack() for _ in range(3)]
    made = kernel.count_free()
    for bottom, top in (*stacks, (stacks[0][0] + PAGE, stacks[0][1]),
                        (stacks[1][0], stacks[1][1] - PAGE), (stacks[2][0], stacks[2][0])):
        root = kernel.space()
        kernel.one("copy_kernel_stack_to_process", root, bottom, top).demand()
        check_copy(kernel, root, bottom, top)
        kernel.end(root)
        equal(kernel.frames_free(), made, "frames_free() after the address space was destroyed")
    for bottom, top in rng.sample(stacks, 3):
        kernel.m.memory.write(kernel.data, bottom.to_bytes(8, "little") + top.to_bytes(8, "little"))
        kernel.one("kernel_stack_destroy", kernel.data)
    equal(kernel.count_free(), free, "the number of free frames after the kernel stacks were "
          "destroyed")


def copy_in_vain(kernel: Programs) -> None:
    """The named errors of kernel_stack.h, and nothing left behind."""
    m, (bottom, top), (_, next_top) = kernel.m, kernel.stack(), kernel.stack()
    free = kernel.count_free()
    kernel.one("copy_kernel_stack_to_process", 0, bottom, top).demand("ERROR_NO_PAGE_TABLE")
    attempt(kernel, free, bottom, next_top, "ERROR_NOT_MAPPED",
            "for a range in which a guard page lies")
    for last in range(bottom + PAGE, top, PAGE):
        other = kernel.frame()
        attempt(kernel, free, bottom, top, "ERROR_ALREADY_MAPPED",
                f"when something is mapped at {last:#x}", (last, other))
        kernel.give_back([other])
    equal(kernel.count_free(), free, "the number of free frames after copies that failed")
    root = kernel.space()
    kernel.drain()
    kernel.one("copy_kernel_stack_to_process", root, bottom, top).demand(
        "ERROR_NO_FRAMES", "when no frame is free")
    expect(not stack_pages(m, root), "a page is mapped after ERROR_NO_FRAMES", "none is")


def attempt(kernel: Programs, free: int, bottom: int, top: int, error: str, when: str,
            in_the_way: tuple[int, int] | None = None) -> None:
    """One call that must fail, in an address space of its own."""
    root = kernel.space()
    if in_the_way:
        kernel.one("map_page", root, *in_the_way, WRITABLE | NO_EXECUTE).demand()
    kernel.one("copy_kernel_stack_to_process", root, bottom, top).demand(error, when)
    left = [each for each in stack_pages(kernel.m, root)
            if in_the_way is None or (each.va, each.pa) != in_the_way]
    expect(not left, f"{', '.join(map(str, left))} is still mapped after {error}",
           "on an error no page is left mapped")
    kernel.end(root)
    equal(kernel.frames_free(), free - (in_the_way is not None),
          f"frames_free() after {error} and the end of the address space")


# What the processor makes of it


def interrupted(visitor: Visitor, what: str) -> None:
    """Ring 3 runs UD2: its frame must lie at the top of the stack that TSS.rsp0 names."""
    m = visitor.m
    before = len(m.events)
    visitor.enter()
    try:
        m.run_to("trap")
    except Failure as failure:
        failure.seen = f"{what}, an exception in ring 3 does not reach trap(): {failure.seen}"
        raise
    chain = [each.vector for each in m.events[before:]]
    if VECTOR_DF in chain:
        fault = next(each for each in m.events[before:] if each.vector != VECTOR_UD)
        raise Failure(Outcome.WRONG, f"{what}, an exception in ring 3 became a double fault: the "
                      f"processor could not push its frame at {fault.cr2 or fault.sp:#x}",
                      "TSS.rsp0 names a stack that is mapped in the process's tables")
    equal(chain, [VECTOR_UD], f"{what}, the list of exceptions")


def check_frame_place(visitor: Visitor, top: int, what: str) -> None:
    """The frame begins right below the top."""
    regs, size = visitor.m.regs, frame_size(visitor.m)
    expect(regs.rdi == top - size, f"{what}, the processor pushed its frame from "
           f"{regs.rdi + size:#x} downwards", f"from {top:#x}, the stack's top")
    equal(regs.cr3 & ADDRESS, visitor.root, f"{what}, the address space in use")


def use_stack(kernel: Programs, visitor: Visitor, bottom: int, top: int) -> None:
    """In the process's address space the kernel can use every page of its stack, and the page
    below faults."""
    m, rng = kernel.m, visitor.kernel.m.setup.rng
    for va in range(bottom, top - PAGE, PAGE):
        value, at = rng.getrandbits(63), va + 8 * rng.randrange(512)
        m.call("probe_poke", at, value)
        seen = m.memory.read(at, 8, cr3=m_root(kernel))
        equal(int.from_bytes(seen, "little"), value, f"what the kernel's own space has at {at:#x} "
              "after it was written in the process's")
    before = m.regs
    m.set_regs(rip=m.sym("probe_peek"), rdi=bottom - 8)
    m.run_to("trap")
    fault = m.newest_event
    expect((fault.vector, fault.cr2) == (VECTOR_PF, bottom - 8), "a read of the page below the "
           f"kernel stack ends in vector {fault.vector}, CR2 {fault.cr2 or 0:#x}",
           f"a page fault at {bottom - 8:#x}")
    m.set_regs(rsp=before.rsp)


# TSS.rsp0


def read_tss(m: Machine) -> bytes:
    """The task state segment that TR names."""
    return m.memory.read(m.system.tr.base, TSS_SIZE)


def check_rsp0(kernel: Programs, rng: Random) -> None:
    """Each call changes these 8 bytes of the live TSS, and no others."""
    m = kernel.m
    before = read_tss(m)
    for _ in range(5):
        top = layout.KERNEL_STACKS_BASE + rng.randrange(1, 1 << 30) * PAGE
        kernel.one("set_kernel_stack", top)
        after = read_tss(m)
        equal(int.from_bytes(after[RSP0:RSP0 + 8], "little"), top,
              f"RSP0, at TR's base + {RSP0}, after set_kernel_stack({top:#x}),")
        expect(after[:RSP0] + after[RSP0 + 8:] == before[:RSP0] + before[RSP0 + 8:],
               "set_kernel_stack changed more of the TSS than RSP0", "RSP0 only")


def check_too_early(m: Machine) -> None:
    """Before gdt_init there is no TSS to set anything in: a panic must say so."""
    m.run_to("gdt_init")
    back = m.memory.u64(m.regs.rsp)
    m.set_regs(rip=m.sym("set_kernel_stack"), rdi=layout.KERNEL_STACKS_BASE)
    expect(m.run_to(back, "machine_exit") != back, "before gdt_init, set_kernel_stack returns as "
           "if there were a TSS", "the panic of get_tss")
    m.run_to_exit(layout.EXIT_PANIC)
    panic = next((line for line in m.console.lines if line.startswith("PANIC: ")), "")
    expect("TSS" in panic, f"before gdt_init, set_kernel_stack ends in {panic!r}",
           "the panic of get_tss, which names the TSS")


def check_own_stack(m: Machine) -> None:
    """A process is about to run: RSP0 is the top of the one kernel stack that it has."""
    m.run_to("enter_usermode")
    regs = m.regs
    pages = sorted(each.va for each in stack_pages(m, regs.cr3))
    equal(len(pages), SIZE // PAGE, "the number of kernel stack pages in the process's tables")
    rsp0 = int.from_bytes(read_tss(m)[RSP0:RSP0 + 8], "little")
    equal(rsp0, pages[-1] + PAGE, "RSP0 when enter_usermode is called")
