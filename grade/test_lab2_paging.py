"""Lab 2: frames, page tables, and the kernel's own address space."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grade.check import check, equal, expect
from grade.lab import Lab
from grade.lab2.changes import (Change, Changes, check_frames, check_large_without_frames,
                                check_too_few_frames, check_two_neighbours, clear_frames,
                                inside_large_pages, make, new_large_pages, one_of_each, refusals)
from grade.lab2.entries import (built_tables, check_ensured, check_safe, check_split_without_frames,
                                check_splits, check_walk, decoys, inside, random_case, random_large,
                                tables_freed_by_mistake)
from grade.lab2.frames import (FramesInit, Pool, booted_layout, check_bad_frees, check_exhaustion,
                               check_handed_out, check_own_tables, check_steps, check_window,
                               hostile, one_thing_in_use, take_all)
from grade.lab2.kernel import OUT, Kernel, ask
from grade.lab2.kernel_space import (check_control, check_forbidden, check_mappings, check_overflow,
                                     check_tables_in_use)
from grade.lab2.mmu import Live, check_large, check_protect, check_unmap
from grade.lab2.memory_maps import GIB, MIB
from grade.lab2.address_space import (Space, check_no_user_bits, check_tables, compare, map_call,
                                      random_page, size_name, table_contents)
from grade.machine import MemoryArea, Module, paging
from grade.machine.disc import make_disc
from grade.machine.layout import EXIT_OK, PAGE, WINDOW_BASE
from grade.outcome import Failure, Outcome

HOLES = (MemoryArea(0, 0x9FC00), MemoryArea(MIB, 9 * MIB + 0x123), MemoryArea(11 * MIB, 0x2800),
         MemoryArea(12 * MIB + 8, 0x5FF8), MemoryArea(13 * MIB, 3 * MIB),
         MemoryArea(14 * MIB + 0x800, 0x2900, 2), MemoryArea(9 * MIB - 1, 2, 4))


# 2.1: what is free, and what is not


@check("T2.1", title="No memory that is in use is taken over", points=8, exercise="2.1",
       debug_at="frames_init",
       hint="reserved_range in frames.c: its comment lists all that must be reserved. Of a usable "
            "region only whole frames count; of a reserved range every frame that it touches.")
def test_memory_in_use(lab: Lab) -> None:
    """One map for each kind of reservation, the page tables' frames among them."""
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
    """Random maps; where the allocator puts its own tables; no boot information, and no window."""
    modules = [Module(lab.rng.randbytes(lab.rng.randrange(1, 9000)), name) for name in "abc"]
    with lab.boot(probe=True, modules=modules) as m:
        kernel = Kernel(m)
        m.run_to("bootinfo_init")
        check_window(kernel)
        kernel.one("frames_init").demand("ERROR_NO_BOOT_INFO", "before bootinfo_init")
        m.run_to("frames_init")
        again = FramesInit(kernel, lab.rng)
        replies = kernel.all([ask("window_open", 0), ask("frames_init")])
        replies[1].demand("ERROR_NO_WINDOW", "after window_open(0)")
        again.undo()
        check_own_tables(kernel)
        for words, layout, structure in hostile(again, 8):
            again.check(words, layout, structure)


# 2.2: allocate and free


@check("T2.3", title="Every free frame is handed out, once, and no other", points=5,
       exercise=("2.1", "2.2"), debug_at="frame_alloc",
       hint="frame_alloc in frames.c and the two sets above it. If a frame that is in use is "
            "handed out although its number was right in T2.1: is it taken from the right set?")
def test_all_frames(lab: Lab) -> None:
    """Uniqueness and reservations, with contents that tell who wrote where."""
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
       hint="frame_free in frames.c: look at the address before you look into a set; `owned` and "
            "`available` together tell a foreign frame from a free one. frames.h has the errors.")
def test_allocation_errors(lab: Lab) -> None:
    """Each error by name, and no corruption afterwards."""
    with lab.boot(probe=True, memory_map=HOLES, modules=[Module(bytes(5000))]) as m:
        m.run_to("tour")
        kernel, layout = Kernel(m), booted_layout(m)
        check_bad_frees(kernel, [start // PAGE * PAGE for start, _ in
                                 (layout.image, layout.info, *layout.modules)])
        check_exhaustion(kernel)


# 2.3: look up


@check("T2.6", title="walk finds the entry that decides, on random tables", points=5,
       exercise="2.3", debug_at="walk",
       hint="walk in paging.c. pte_index, pte_present, pte_is_page and pte_frame of pte.h are the "
            "four steps; stop at the first entry that is a page or not present. SDM vol. 3A 4.5.")
def test_walk(lab: Lab) -> None:
    """Pages of three sizes, absent entries of four levels, other bits at random."""
    with lab.boot(probe=True) as m:
        m.run_to("frames_init")
        kernel, tables = Kernel(m), built_tables(m, lab.rng)
        spots = tables.fill(300, 100)
        before = tables.snapshot()
        addresses = [inside(spot, lab.rng) for spot in spots]
        addresses += [tables.address(spots) for _ in range(400)]
        for reply in kernel.all([ask("walk", tables.root, va, OUT) for va in addresses]):
            check_walk(m, tables.root, reply)
        expect(tables.snapshot() == before, "walk changes the tables",
               "a walk allocates nothing and changes nothing")


@check("T2.7", title="translate agrees with the processor's rules", points=5, exercise="2.3",
       debug_at="translate",
       hint="translate in paging.c. The offset in a page has as many bits as the page is large: "
            "pte_span(level). A frame's address has bits 12 to 51, and nothing else of the entry.")
def test_translate(lab: Lab) -> None:
    """Offsets in 4 KiB, 2 MiB and 1 GiB pages, frames up to 2^52, absent, not canonical."""
    with lab.boot(probe=True) as m:
        m.run_to("frames_init")
        kernel, tables = Kernel(m), built_tables(m, lab.rng)
        spots = tables.fill(300, 100)
        addresses = [inside(spot, lab.rng) for spot in spots for _ in range(2)]
        addresses += [tables.address(spots) for _ in range(200)]
        replies = kernel.all([ask("translate", tables.root, va, OUT) for va in addresses])
        for va, reply in zip(addresses, replies):
            found = paging.walk(m.phys, tables.root, va)
            reply.demand("OK" if found else "ERROR_NOT_MAPPED")
            if found and reply.out != found.pa:
                raise Failure(Outcome.WRONG, f"{reply.asked} gives {reply.out:#x}",
                              f"{found.pa:#x}, in a page of {size_name(found.size)}",
                              details=["the way down:", *map(str, found.entries)])
        bad = [1 << 47, (1 << 64) - (1 << 47) - 1, 1 << 63, 1 << 48,
               *(spot.va ^ 1 << lab.rng.randrange(48, 64) for spot in spots[:20])]
        for reply in kernel.all([ask("translate", tables.root, va, OUT) for va in bad]):
            reply.demand("ERROR_NOT_CANONICAL")


# 2.4: map


@check("T2.8", title="ensure_table_present: new tables are empty, old ones keep what they have",
       points=7, exercise="2.4", debug_at="ensure_table_present",
       hint="ensure_table_present in paging.c, and its contract in paging.h. What is in a frame "
            "that frame_alloc returns? Which bits may be added to an entry that is there, and "
            "which must stay?")
def test_ensure_table(lab: Lab) -> None:
    """Memory was full of 0xA5; entries present, absent, large; no frames left."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel = Kernel(m)
        entries = kernel.root()
        cases = [(0, 0), (0, 1), *(random_case(lab.rng) for _ in range(200))]
        for i, (value, _) in enumerate(cases):
            m.phys.set_u64(entries + 8 * i, value)
        free = kernel.count_free()
        replies = kernel.all([ask("ensure_table_present", WINDOW_BASE + entries + 8 * i, user, OUT)
                              for i, (_, user) in enumerate(cases)])
        new = [check_ensured(m, m.phys.u64(entries + 8 * i), value, user, reply)
               for i, ((value, user), reply) in enumerate(zip(cases, replies))]
        made = [table for table in new if table]
        equal(len(set(made)), len(made), "the number of different frames that became tables")
        equal(kernel.count_free(), free - len(made), "the number of free frames afterwards")
        kernel.drain()
        m.phys.set_u64(entries, 0)
        kernel.one("ensure_table_present", WINDOW_BASE + entries, 0, OUT).demand(
            "ERROR_NO_FRAMES", "when no frame is free")
        equal(m.phys.u64(entries), 0, "the entry after that error")


@check("T2.9", title="Random maps in both halves are what a walk finds", points=8, exercise="2.4",
       debug_at="map_page",
       hint="place in paging.c: from level 4 down to the level above the page's, each entry leads "
            "to the next table; the value goes into the last one. Only the user half's tables "
            "are open to ring 3.")
def test_random_maps(lab: Lab) -> None:
    """4 KiB, 2 MiB and 1 GiB pages; every flag; frames up to 2^52; U in the user half only."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel, rng, space = Kernel(m), lab.rng, Space()
        root = kernel.root()
        free = kernel.count_free()
        while len(space.pages) < 300:
            page = random_page(rng, rng.choice((1, 1, 1, 1, 2, 3)), space.pages)
            if not space.overlaps(page.va, page.size):
                space.add(page)
        for reply in kernel.all([map_call(rng, root, page) for page in space.pages.values()]):
            reply.demand()
        check_no_user_bits(m, root)
        compare(m, root, space, f"after {len(space.pages)} maps")
        check_tables(kernel, root, len(space.tables()), free)


# 2.5: unmap, protect, and what a refusal leaves behind


@check("T2.10", title="What map_page refuses changes nothing and costs no frame", points=4,
       exercise=("2.4", "2.5"), debug_at="map_page",
       hint="place and free_empty_tables in paging.c. When the second of three new tables cannot "
            "be had, the first must be given back. An entry that is occupied is never written.")
def test_refusals(lab: Lab) -> None:
    """Each error of paging.h in its order; no frames in the middle."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel, space = Kernel(m), one_of_each(lab.rng)
        root = kernel.root()
        pages = list(space.pages.values())
        make(kernel, [Change(map_call(lab.rng, root, page)) for page in pages])
        before, free = table_contents(m, root), kernel.count_free()
        clear_frames(m)
        make(kernel, refusals(root, space))
        check_frames(m)
        equal(kernel.frames_free(), free, "frames_free() after maps that were refused")
        expect(table_contents(m, root) == before, "a map that was refused changed the tables",
               "nothing is changed on an error")
        for page in pages[0], pages[-1]:
            check_too_few_frames(kernel, root, page.va)
        equal(kernel.count_free(), free, "the number of free frames after maps for which some "
              "were lacking")


@check("T2.11", title="1000 random maps, unmaps and protects lose no frame", points=6,
       exercise=("2.4", "2.5"), debug_at="unmap_page",
       hint="unmap_page, protect_page and free_empty_tables in paging.c. A table is given back "
            "when all of its 512 entries are 0, and not earlier; then the entry that led to it "
            "becomes 0, and that one's table may be next. The root and the kernel half's tables "
            "of level 3 stay.")
def test_random_changes(lab: Lab) -> None:
    """The walker's view after every 250 calls; frames conserved; errors leave all as it was."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel = Kernel(m)
        root = kernel.root()
        free, changes = kernel.count_free(), Changes(lab.rng, root)
        check_two_neighbours(kernel, root, 0x40_0000 + lab.rng.randrange(1, 9) * GIB)
        check_tables(kernel, root, 0, free)
        for done in range(250, 1001, 250):
            make(kernel, changes.choose(250))
            compare(m, root, changes.space, f"after {done} calls")
            check_tables(kernel, root, changes.tables(), free)
        check_no_user_bits(m, root)
        make(kernel, [changes.unmap() for _ in range(len(changes.space.pages))])
        check_tables(kernel, root, len(changes.kept), free)
        equal(m.phys.table(root)[:256], [0] * 256, "the user half of the root, with nothing mapped")
        kernel.one("frame_free", root).demand(when="for the root: has it been freed already?")


@check("T2.12", title="The processor forgets what was unmapped or protected", points=5,
       exercise=("2.4", "2.5"), debug_at="unmap_page",
       hint="The processor keeps translations in its TLB and looks at no table while it has one: "
            "invlpg (tlb_flush_page) makes it forget one page. SDM vol. 3A 4.10.4.1.")
def test_freshness(lab: Lab) -> None:
    """On the tables in use, with pages that were used a moment before."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        live = Live(Kernel(m), lab.rng)
        for va in live.both_halves():
            check_unmap(live, va)
            check_protect(live, va + 8 * PAGE)


# 2.6: split


@check("T2.13", title="split_large_page keeps every translation and every right", points=5,
       exercise="2.6", debug_at="split_large_page",
       hint="split_large_page in paging.c. 512 entries, each one smaller page further; bit 7 means "
            "PAT in level 1 (SDM vol. 3A table 4-20); the entry above permits what any of the "
            "pages may ever be permitted.")
def test_split(lab: Lab) -> None:
    """2 MiB and 1 GiB pages, all rights, a 1 GiB page down to 4 KiB, no frame."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel = Kernel(m)
        root = kernel.root()
        cases = [(root + 8 * i, 2 + i % 2) for i in range(100, 160)]
        for place, level in cases:
            m.phys.set_u64(place, random_large(lab.rng, level))
        free = kernel.count_free()
        made = check_splits(kernel, cases)
        again = [(table + 8 * lab.rng.randrange(512), 2)
                 for table, (_, level) in zip(made, cases) if level == 3]
        made += check_splits(kernel, again)
        equal(len(set(made)), len(made), "the number of different frames that became tables")
        equal(kernel.count_free(), free - len(made), f"the number of free frames after {len(made)} "
              "splits")
        check_split_without_frames(kernel, root, random_large(lab.rng, 2))


@check("T2.14", title="One page of a large one is unmapped or protected, the others stay",
       points=5, exercise=("2.5", "2.6"), debug_at="split_large_page",
       hint="walk_to_page splits what is in the way of unmap_page and protect_page: 1 GiB becomes "
            "2 MiB, and that 4 KiB. If the walk is right and an access is not, it is the TLB.")
def test_inside_large_pages(lab: Lab) -> None:
    """Compared with a model; when frames are lacking; and on the tables in use."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel, space = Kernel(m), one_of_each(lab.rng)
        root = kernel.root()
        make(kernel, [Change(map_call(lab.rng, root, page)) for page in space.pages.values()])
        large = [page for page in space.pages.values() if page.level > 1]
        make(kernel, inside_large_pages(lab.rng, root, space, large))
        compare(m, root, space, "after changes in large pages")
        check_large_without_frames(kernel, *new_large_pages(kernel, lab.rng))
        live = Live(kernel, lab.rng)
        for va in live.both_halves():
            check_large(live, va, 32 * MIB)


# 2.7: frames that are certainly not page tables


@check("T2.15", title="is_page_table_frame knows every table and no page", points=3,
       exercise="2.7", debug_at="is_page_table_frame",
       hint="table_contains in safe_frames.c: which entries of a table lead to another table? "
            "Not the absent ones, not those of large pages, and none of level 1.")
def test_is_page_table_frame(lab: Lab) -> None:
    """Random tables whose pages, of every size, point to what looks like tables."""
    with lab.boot(probe=True) as m:
        m.run_to("frames_init")
        kernel, tables = Kernel(m), built_tables(m, lab.rng)
        pages = decoys(tables)
        frames = [*tables.tables, *pages]
        for frame, reply in zip(frames, kernel.all([ask("is_page_table_frame", tables.root, each)
                                                    for each in frames])):
            kind = frame in tables.tables
            words = f"a table of level {tables.tables[frame]}" if kind else pages[frame]
            expect(reply.true == kind, f"{reply.asked} is {str(reply.true).lower()}; the frame is "
                   + words, str(kind).lower())


@check("T2.16", title="Safe frames are zeroed, and never a page table", points=2, exercise="2.7",
       debug_at="allocate_safe_frames",
       hint="allocate_safe_frames in safe_frames.c: frame_alloc_run, then look at each frame of "
            "the run; if one is a table, leave the run allocated and try the next. safe_frames.h "
            "says what must be in the frames.")
def test_safe_frames(lab: Lab) -> None:
    """Tables that were freed by mistake, and memory full of 0xA5."""
    with lab.boot(probe=True) as m:
        m.run_to("tour")
        kernel = Kernel(m)
        tables = tables_freed_by_mistake(kernel, lab.rng)
        before = tables.snapshot()
        counts = [lab.rng.choice((1, 1, 2, 3, 4, 9)) for _ in range(40)]
        replies = kernel.all([ask("allocate_safe_frames", tables.root, count, OUT)
                              for count in counts])
        check_safe(m, tables, list(zip(counts, replies)))
        expect(tables.snapshot() == before, "a page table was overwritten",
               "page tables that were freed by mistake keep their contents")
        freed = [table for table in tables.tables if table != tables.root]
        kernel.give_back(freed)  # they have been left allocated
        kernel.one("allocate_safe_frames", tables.root, 0, OUT).demand("ERROR_COUNT")
        kernel.drain()
        kernel.one("allocate_safe_frames", tables.root, 1, OUT).demand("ERROR_NO_FRAMES")


# 2.8: the kernel's own address space

OVERLAPPING = (MemoryArea(0, 0x9FC00), MemoryArea(MIB, 40 * MIB + 0x123),
               MemoryArea(33 * MIB + 0x5000, 15 * MIB), MemoryArea(50 * MIB + 0x800, 0x3000),
               MemoryArea(4 * GIB + 3 * PAGE, 3 * GIB), MemoryArea(7 * GIB - 6 * MIB, 2 * GIB),
               MemoryArea(14 * GIB, 3 * PAGE, 2))


@check("T2.17", title="The kernel's tables map what they promise, and nothing else", points=6,
       exercise="2.8", debug_at="kernel_space_init",
       hint="kernel_space.h is the list of what must be mapped, with which rights. `make run "
            "LAB=2` prints what your tables map (the lines `space:`): compare the two.")
def test_kernel_space(lab: Lab) -> None:
    """W^X, guard pages, no lower half, no U, no G, large pages, tables in frames of their own."""
    with lab.boot(probe=True, memory_map=OVERLAPPING) as m:
        m.run_to("kernel_ready")
        check_control(m)
        check_mappings(m)
        check_tables_in_use(Kernel(m))


@check("T2.18", title="What the tables forbid, the processor refuses", points=5, exercise="2.8",
       debug_at="kernel_space_init",
       hint="Each access that should fault and does not is a right too much in the tables: "
            "map_image, unmap_guards and protect_image_in_window in kernel_space.c.")
def test_refused_accesses(lab: Lab) -> None:
    """Writes to code, jumps to data, page 0, the lower half, guard pages, overflow."""
    with lab.boot(probe=True) as m:
        m.run_to("kernel_ready")
        check_forbidden(Live(Kernel(m), lab.rng))
        check_overflow(m)


@check("T2.19", title="The disc boots through GRUB, to the end", points=4, exercise="2.8",
       debug_at="kernel_space_init",
       hint="`make run LAB=2` boots the same disc. Here GRUB made the memory map, placed the boot "
            "information, and cleared what the kernel should clear itself.")
def test_grub(lab: Lab) -> None:
    """The same tables on a real boot loader's memory map, and a kernel that ends well."""
    with tempfile.TemporaryDirectory(prefix="rung-disc-") as directory:
        iso = make_disc(Path(directory), lab.kernel)
        with lab.boot(firmware="grub", iso=iso) as m:
            m.run_to("kernel_ready")
            check_control(m)
            check_mappings(m)
            m.run_to_exit(EXIT_OK)
