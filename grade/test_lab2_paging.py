"""Lab 2: frames, page tables, and the kernel's own address space."""

from __future__ import annotations

from collections.abc import Callable

from grade.check import check, equal, expect
from grade.lab import Lab
from grade.lab2_frames import (END, FramesInit, Pool, booted_layout, check_handed_out,
                               check_steps, hostile, most_tables, one_thing_in_use, take_all,
                               written_pages)
from grade.lab2_kernel import OUT, PAGE, WINDOW, Kernel, OutOf, ask
from grade.lab2_memory import MIB, count, frames
from grade.machine import MemoryArea, Module

HOLES = (MemoryArea(0, 0x9FC00), MemoryArea(MIB, 9 * MIB + 0x123), MemoryArea(11 * MIB, 0x2800),
         MemoryArea(12 * MIB + 8, 0x5FF8), MemoryArea(13 * MIB, 3 * MIB),
         MemoryArea(14 * MIB + 0x800, 0x2900, 2), MemoryArea(9 * MIB - 1, 2, 4))


# 2.1: what is free, and what is not


@check("T2.1", title="No memory that is in use is taken over", points=8, exercise="2.1",
       debug_at="frames_init",
       hint="reserved_range in frames.c: its comment lists all that must be reserved. Of a usable "
            "region only whole frames count; of a reserved range every frame that it touches.")
def test_memory_in_use(lab: Lab) -> None:
    """One map for each kind of reservation: M07, E24."""
    with lab.boot(probe=True) as m:
        m.run_to("frames_init")
        again = FramesInit(Kernel(m), lab.rng)
        for words, layout, structure in one_thing_in_use(again):
            again.check(words, layout, structure)


@check("T2.2", title="Hostile memory maps: overlaps, holes, no order, wrap-around", points=7,
       exercise="2.1", debug_at="frames_init",
       hint="fill_owned in frames.c: first all usable regions go in, then all reserved ranges come "
            "out, whatever order the map has them in. region_range cuts off what wraps around.")
def test_hostile_maps(lab: Lab) -> None:
    """Random maps; where the allocator puts its own tables; the errors of U-39."""
    modules = [Module(lab.rng.randbytes(lab.rng.randrange(1, 9000)), name) for name in "abc"]
    with lab.boot(probe=True, modules=modules) as m:
        kernel = Kernel(m)
        m.run_to("bootinfo_init")
        kernel.all([ask("window_open", WINDOW)])
        kernel.one("frames_init").demand("ERROR_NO_BOOT_INFO", "before bootinfo_init")
        m.run_to("frames_init")
        again = FramesInit(kernel, lab.rng)
        replies = kernel.all([ask("window_open", 0), ask("frames_init")])
        replies[1].demand("ERROR_NO_WINDOW", "after window_open(0)")
        again.undo()
        check_own_tables(kernel)
        for words, layout, structure in hostile(again, 8):
            again.check(words, layout, structure)


def check_own_tables(kernel: Kernel) -> None:
    """frames_init writes its tables into memory that is free, and counts it as used."""
    m, layout = kernel.m, booted_layout(kernel.m)
    before = m.phys.read(0, END)
    kernel.one("frames_init").demand()
    changed = written_pages(m, before)
    allowed = set(frames(layout.free()))
    for page in changed:
        expect(page in allowed, f"frames_init writes to {page:#x}, which is in use",
               "the allocator's own tables lie in free memory")
    total, most = kernel.one("frames_total").value, count(layout.free()) - len(changed)
    expect(total <= most, f"frames_total() is {total}: that counts frames in which frames_init "
           f"itself has just put its tables ({len(changed)}, from "
           f"{min(changed, default=0):#x} on)", f"at most {most}")
    least = most - most_tables(layout)
    expect(total >= least, f"frames_total() is {total}", f"at least {least}")


# 2.2: allocate and free


@check("T2.3", title="Every free frame is handed out, once, and no other", points=5,
       exercise=("2.1", "2.2"), debug_at="frame_alloc",
       hint="frame_alloc in frames.c and the two sets above it. If a frame that is in use is "
            "handed out although its number was right in T2.1: is it taken from the right set?")
def test_all_frames(lab: Lab) -> None:
    """Uniqueness and reservations, with contents that tell who wrote where: M07, U-35."""
    modules = [Module(lab.rng.randbytes(lab.rng.randrange(1, 3 * PAGE)), name) for name in "abcd"]
    with lab.boot(probe=True, memory_map=HOLES, modules=modules, cmdline="x" * 5000) as m:
        m.run_to("tour")
        kernel, layout = Kernel(m), booted_layout(m)
        in_use = [*layout.modules, layout.info]
        before = [m.phys.read(start, end - start) for start, end in in_use]
        equal(before[:-1], [module.data for module in modules], "what is in the modules")
        taken = take_all(kernel)
        check_handed_out(layout, taken)
        equal(len(taken), kernel.one("frames_total").value, "the number of frames handed out")
        for frame in taken:
            m.phys.write(frame, b"\x5a" * PAGE)
        kernel.give_back(taken)
        equal(kernel.frames_free(), len(taken), "frames_free() after all were freed")
        equal(take_all(kernel), taken, "what is handed out after all were overwritten and freed")
        after = [m.phys.read(start, end - start) for start, end in in_use]
        equal(after, before, "what is in the modules and the boot information")


@check("T2.4", title="3000 random allocations, runs and frees", points=6, exercise="2.2",
       debug_at="frame_alloc_run",
       hint="frame_alloc_run and frame_free in frames.c. A run of n frames is [start, start + n). "
            "After an allocation all of its frames must have left the set of free ones.")
def test_random_allocations(lab: Lab) -> None:
    """Runs that are contiguous, frames conserved, always the lowest place."""
    with lab.boot(probe=True, memory_map=HOLES) as m:
        m.run_to("tour")
        kernel = Kernel(m)
        free = take_all(kernel)
        kernel.give_back(free)
        pool = Pool(free)
        steps = list(pool.random_steps(lab.rng, 3000))
        for start in range(0, len(steps), 1000):
            check_steps(kernel, steps[start:start + 1000], start)
        equal(kernel.frames_free(), pool.free, "frames_free() after 3000 calls")
        kernel.give_back(pool.held)
        equal(kernel.frames_free(), len(free), "frames_free() after all was freed")


@check("T2.5", title="Double free, foreign free and exhaustion are named errors", points=4,
       exercise="2.2", debug_at="frame_free",
       hint="frame_free in frames.c: look at the address before you look into a set; owned and "
            "available together tell a foreign frame from one that is free. frames.h has the errors.")
def test_allocation_errors(lab: Lab) -> None:
    """U-35: each error by name, and no corruption afterwards."""
    with lab.boot(probe=True, memory_map=HOLES, modules=[Module(bytes(5000))]) as m:
        m.run_to("tour")
        kernel, layout = Kernel(m), booted_layout(m)
        check_bad_frees(kernel, [start // PAGE * PAGE for start, _ in
                                 (layout.image, layout.info, *layout.modules)], lab.rng.randrange)
        check_exhaustion(kernel)


def check_bad_frees(kernel: Kernel, in_use: list[int], pick: Callable[[int], int]) -> None:
    """frame_free refuses what it should, and nothing changes."""
    frame, other = kernel.frame(), kernel.frame()
    kernel.give_back([other])
    free = kernel.frames_free()
    unaligned = [frame + offset for offset in (1, 8, 0x800, 0xFFF, 1 + pick(0xFFE))]
    foreign = [0, 0xB8000, 10 * MIB + PAGE, 16 * MIB, 1 << 32, 1 << 40, (1 << 52) - PAGE,
               (1 << 64) - PAGE, *in_use]
    for error, addresses in (("ERROR_UNALIGNED", unaligned), ("ERROR_FOREIGN_FRAME", foreign),
                             ("ERROR_DOUBLE_FREE", [other, other + 20 * PAGE])):
        for reply in kernel.all([ask("frame_free", each) for each in addresses]):
            reply.demand(error)
    reply = kernel.one("frame_alloc_run", 0, OUT).demand("ERROR_COUNT")
    expect(not reply.touched, "frame_alloc_run(0, first) changes *first", "it is not touched")
    equal(kernel.frames_free(), free, "frames_free() after calls that all failed")
    equal(kernel.frame(), other, "the frame that is handed out after calls that all failed")
    kernel.give_back([frame, other])


def check_exhaustion(kernel: Kernel) -> None:
    """Without frames nothing is handed out; two frames apart are no run of two."""
    held = kernel.drain()
    apart = [held[3], held[5]]
    sizes = (1, 2, 3, 64, 1 << 20, 1 << 52, (1 << 64) - 1)
    for freed in ([], apart):
        kernel.give_back(freed)
        asks = [ask("frame_alloc_run", size, OUT) for size in sizes[2 if freed else 0:]]
        asks += [ask("frame_alloc_run", 2, OUT)] if freed else [ask("frame_alloc", OUT)]
        for reply in kernel.all(asks):
            reply.demand("ERROR_NO_FRAMES", f"with {len(freed)} frames free")
            expect(not reply.touched, f"{reply.asked} fails and changes its result",
                   "it is not touched")
    equal([kernel.frame() for _ in apart], apart, "the two frames handed out at last")
    kernel.give_back(held)
    equal(kernel.frames_free(), len(held), "frames_free() after all was freed")
