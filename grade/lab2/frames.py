"""Exercises 2.1 and 2.2: the frame allocator's promises, on one memory map after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

from grade.lab2.kernel import OUT, Ask, Kernel, Reply, ask
from grade.lab2.memory_maps import GIB, MIB, Layout, Puzzle, Run, count, explain, frames, holey
from grade.machine import Machine, MemoryArea, Module
from grade.machine.frames import check_number
from grade.machine.layout import KERNEL_BASE, PAGE, WINDOW_BASE, WINDOW_SIZE
from grade.machine.multiboot2 import AVAILABLE, MODULE, information, memory_map, tags
from grade.outcome import Failure, Outcome, equal, expect

ROOM = (32 * MIB, 36 * MIB)  # available in every map, so that the allocator's tables fit
END = 60 * MIB  # of the memory that the maps are about; below 4 GiB there is really so much
INFO = 0x8000
TABLE_BYTES = 64  # for each frame: more than any allocator should need
SPARE = 4  # frames, for rounding


def image_range(m: Machine) -> Run:
    """The physical memory of the kernel image, the boot code included."""
    return m.sym("boot_start"), m.sym("image_end") - KERNEL_BASE


def booted_layout(m: Machine) -> Layout:
    """What this machine's boot loader told the kernel."""
    size = int.from_bytes(m.phys.read(m.information, 4), "little")
    structure = m.phys.read(m.information, size)
    modules = tuple((int.from_bytes(tag[8:12], "little"), int.from_bytes(tag[12:16], "little"))
                    for kind, tag in tags(structure) if kind == MODULE)
    return Layout(tuple(memory_map(structure)), image_range(m),
                  (m.information, m.information + size), modules)


def most_tables(layout: Layout) -> int:
    """How many frames the allocator may need for itself."""
    return layout.limit() // PAGE * TABLE_BYTES // PAGE + SPARE


class FramesInit:
    """frames_init, run again and again, each time on another map in a kernel that is as it was.

    The machine stands at the entry of frames_init. What the kernel knows then lies in the part of
    its image that can be written: putting that back undoes whatever was called."""

    def __init__(self, kernel: Kernel, rng: Random) -> None:
        self.kernel, self.m, self.rng = kernel, kernel.m, rng
        self.image = image_range(self.m)
        self._data = self.m.sym("data_start") - KERNEL_BASE
        self._before = self.m.phys.read(self._data, self.image[1] - self._data)
        self._tables: dict[int, int] = {}  # by the number of frames below the limit

    def puzzle(self) -> Puzzle:
        return Puzzle(self.rng, self.image, ROOM, END)

    def undo(self) -> None:
        self.m.phys.write(self._data, self._before)

    def run(self, layout: Layout, structure: bytes) -> list[Reply]:
        """frames_init with this map: its reply, those of frames_total and of frames_free."""
        self.undo()
        self.m.phys.write(layout.info[0], structure)
        replies = self.kernel.all([ask("bootinfo_init", layout.info[0]), ask("frames_init"),
                                   ask("frames_total"), ask("frames_free")])
        replies[0].demand()
        return replies[1:]

    def tables(self, layout: Layout) -> int:
        """How many frames the allocator keeps for itself when memory ends where it does here:
        seen on a map on which nothing else can be wrong."""
        key = layout.limit() // PAGE
        if key not in self._tables:
            plain = layout.plain(ROOM[0])
            made, total, _ = self.run(plain, structure_of(plain))
            made.demand(when="with 1 MiB of free memory and nothing in it")
            kept = count(plain.free()) - total.value
            expect(0 <= kept <= most_tables(plain),
                   f"frames_total() is {total.value} when the only available memory is "
                   f"{count(plain.free())} frames that nobody uses",
                   f"that number less the allocator's own tables: at most {most_tables(plain)}")
            self._tables[key] = kept
        return self._tables[key]

    def check(self, words: str, layout: Layout, structure: bytes) -> None:
        """Compare the number of frames that the allocator takes over with the model's."""
        tables = self.tables(layout)
        made, total, free = self.run(layout, structure)
        made.demand(when=f"with {words}")
        right = count(layout.free()) - tables
        if total.value != right:
            over = total.value - right
            raise Failure(
                Outcome.WRONG,
                f"with {words}, frames_total() is {total.value}: {abs(over)} too "
                f"{'many' if over > 0 else 'few'}{explain(layout, total.value + tables)}",
                f"frames_total() is {right}", details=describe(layout))
        expect(free.value == right, f"with {words}, frames_free() is {free.value} after "
               f"frames_init, and frames_total() {right}", "at first all frames are free")


def describe(layout: Layout, most: int = 24) -> list[str]:
    """A map for people."""
    lines = ["the memory map and what lies in memory:",
             *(f"  {area.base:#14x} + {area.length:#12x}  "
               f"{'available' if area.kind == AVAILABLE else f'in use (type {area.kind})'}"
               for area in layout.areas[:most])]
    if len(layout.areas) > most:
        lines.append(f"  ... and {len(layout.areas) - most} more regions")
    things = [("image", layout.image), ("boot information", layout.info),
              *(("module", each) for each in layout.modules[:8])]
    return lines + [f"  {start:#14x} - {end:#12x}  {words}" for words, (start, end) in things]


def structure_of(layout: Layout, cmdline: str = "") -> bytes:
    """The boot information for a layout."""
    return information(cmdline=cmdline, loader="grader", areas=layout.areas, image_base=0x100000,
                       modules=[(start, Module(bytes(end - start)))
                                for start, end in layout.modules])


def fitted(puzzle: Puzzle, info: int = INFO, cmdline: str = "") -> tuple[Layout, bytes]:
    """The puzzle's map, and the structure for it at `info`."""
    layout = puzzle.layout(info, 0)
    structure = structure_of(layout, cmdline)
    return replace(layout, info=(info, info + len(structure))), structure


Scenario = tuple[str, Layout, bytes]


def one_thing_in_use(again: FramesInit) -> Iterator[Scenario]:
    """Maps in each of which one kind of memory must be left out."""
    rng, image = again.rng, again.image
    at = 16 * MIB + PAGE * rng.randrange(64)

    puzzle = again.puzzle()
    puzzle.areas.append(MemoryArea(0, 0x9FC00))
    yield "low memory in the map", *fitted(puzzle)

    puzzle = again.puzzle()
    puzzle.areas.append(MemoryArea(image[0], image[1] - image[0] + rng.randrange(3 * MIB)))
    yield "the kernel image in available memory", *fitted(puzzle)

    puzzle = again.puzzle()
    puzzle.areas.append(MemoryArea(at, MIB))
    cmdline = "x" * (4 * PAGE + rng.randrange(2000))
    size = len(fitted(puzzle, INFO, cmdline)[1])
    yield ("the boot information in available memory",
           *fitted(puzzle, at + 10 * PAGE - size, cmdline))  # its end is a page's end

    puzzle = again.puzzle()
    puzzle.areas.append(MemoryArea(at, MIB))
    puzzle.modules += [(at + start * PAGE, at + end) for start, end in (
        (2, 4 * PAGE), (5, 8 * PAGE + 1), (9, 9 * PAGE + 1), (20, 30 * PAGE + 77))]
    yield "four modules in available memory", *fitted(puzzle)

    puzzle = again.puzzle()
    start, end = at + rng.randrange(1, PAGE), at + MIB + rng.randrange(1, PAGE)
    puzzle.areas.append(MemoryArea(start, end - start))
    yield "an available region that neither begins nor ends at a page", *fitted(puzzle)

    puzzle = again.puzzle()
    puzzle.areas.append(MemoryArea(at, 2 * MIB))
    puzzle.areas += [MemoryArea(at + offset * PAGE + rng.randrange(1, PAGE), 3 * PAGE, kind)
                     for offset, kind in ((10, 2), (30, 3), (50, 4), (70, 5), (90, 9))]
    yield "regions in use that overlap an available one", *fitted(puzzle)


def hostile(again: FramesInit, number: int) -> Iterator[Scenario]:
    """Maps as no firmware should make them, and some does."""
    rng = again.rng
    for i in range(number):
        puzzle = again.puzzle()
        puzzle.available(rng.randrange(1, 12))
        puzzle.in_use(rng.randrange(12))
        puzzle.add_modules(rng.randrange(6))
        puzzle.oddities(wrap=i % 2 == 1)
        if rng.random() < 0.5:
            puzzle.areas.append(MemoryArea(4 * GIB + rng.randrange(GIB), rng.randrange(3 * GIB)))
        yield "overlapping regions in no order", *fitted(puzzle, free_place(puzzle))

    puzzle = again.puzzle()
    puzzle.areas += holey(16 * MIB, ROOM[0] - PAGE, 300, rng)
    yield "300 holes in memory", *fitted(puzzle)

    puzzle = again.puzzle()
    puzzle.areas += [MemoryArea(0, END), MemoryArea(0x9FC00, 8 * MIB, 2)]
    yield "a region in use that overlaps the whole image", *fitted(puzzle)


def free_place(puzzle: Puzzle) -> int:
    """An address for the boot information where no module lies."""
    while True:
        place = puzzle.rng.randrange(8 * MIB, ROOM[0] - MIB) & -8
        if not any(start < place + 0x8000 and place < end for start, end in puzzle.modules):
            return place


def written_pages(m: Machine, before: bytes) -> list[int]:
    """The pages of memory that changed since it was read as `before`, without the image."""
    image = image_range(m)
    chunk = 1 << 18
    changed = []
    for start in range(0, len(before), chunk):
        now = m.phys.read(start, min(chunk, len(before) - start))
        if now != before[start:start + chunk]:
            changed += [start + at for at in range(0, len(now), PAGE)
                        if now[at:at + PAGE] != before[start + at:start + at + PAGE]]
    return [page for page in changed if not image[0] <= page < image[1]]


def take_all(kernel: Kernel) -> list[int]:
    """Allocate frame by frame until there are none; fails the check where that goes wrong."""
    taken: list[int] = []
    while True:
        replies = kernel.all([ask("frame_alloc", OUT)] * 1000)
        good = [reply.out for reply in replies if reply.error == "OK"]
        taken += good
        check_number(kernel.m, len(taken))
        if len(good) < len(replies):
            for reply in replies[len(good):]:
                reply.demand("ERROR_NO_FRAMES", "after all frames were handed out")
                expect(not reply.touched, "frame_alloc changes *frame when it fails",
                       "*frame is not touched on an error")
            return taken
        expect(len(set(taken)) == len(taken), f"frame_alloc hands out {twice(taken):#x} twice",
               "no frame is handed out again before it is freed")


def twice(numbers: Sequence[int]) -> int:
    """The first that was there before."""
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            break
        seen.add(number)
    return number


def check_handed_out(layout: Layout, taken: list[int]) -> None:
    """All that may be handed out, but for one piece that holds the allocator's tables."""
    expect(len(set(taken)) == len(taken), f"frame_alloc hands out {twice(taken):#x} twice",
           "every frame once")
    expect(taken == sorted(taken), "frame_alloc hands out a frame, then one below it",
           "always the lowest frame that is free")
    allowed = frames(layout.free())
    wrong = sorted(set(taken) - set(allowed))
    if wrong:
        raise Failure(Outcome.WRONG, f"frame_alloc hands out {wrong[0]:#x}: "
                      f"{whose(layout, wrong[0])} ({len(wrong)} such frames)",
                      "frames in available memory that nobody uses", details=describe(layout))
    kept = sorted(set(allowed) - set(taken))
    expect(not kept or kept[-1] - kept[0] == (len(kept) - 1) * PAGE,
           f"{len(kept)} frames are never handed out, here and there from {min(kept, default=0):#x}"
           f" to {max(kept, default=0):#x}",
           "all free frames but those that hold the allocator's own tables, which follow each "
           "other")
    expect(len(kept) <= most_tables(layout),
           f"{len(kept)} free frames from {min(kept, default=0):#x} on are never handed out",
           f"at most {most_tables(layout)}, for the allocator's own tables")


def whose(layout: Layout, frame: int) -> str:
    """What lies in a frame that may not be handed out."""
    for words, ranges in layout.reserved().items():
        if any(start < frame + PAGE and frame < end for start, end in ranges):
            return f"it belongs to {words}"
    return "it is not, or not as a whole, in an available region"


class Step(NamedTuple):
    """A call, and what must come of it."""

    asked: Ask
    error: str
    out: int | None  # None: not touched


class Pool:
    """What the allocator promises, in Python: it always takes the lowest that fit."""

    def __init__(self, free: Sequence[int]) -> None:
        self._flags = bytearray(max(free) // PAGE + 1)
        for frame in free:
            self._flags[frame // PAGE] = 1
        self.free = len(free)
        self.held: list[int] = []

    def alloc(self, size: int) -> Step:
        at = self._flags.find(b"\1" * size) if size <= self.free else -1
        asked = ask("frame_alloc", OUT) if size == 1 else ask("frame_alloc_run", size, OUT)
        if at < 0:
            return Step(asked, "ERROR_NO_FRAMES", None)
        self._flags[at:at + size] = bytes(size)
        self.free -= size
        self.held += [number * PAGE for number in range(at, at + size)]
        return Step(asked, "OK", at * PAGE)

    def give_back(self, frame: int) -> Step:
        self.held.remove(frame)
        self._flags[frame // PAGE] = 1
        self.free += 1
        return Step(ask("frame_free", frame), "OK", None)

    def random_steps(self, rng: Random, number: int) -> Iterator[Step]:
        """Much is allocated for a while, then much is freed, then again."""
        greedy = 0.5
        for i in range(number):
            if i % 250 == 0:
                greedy = rng.choice((0.25, 0.5, 0.75))
            if self.held and rng.random() > greedy:
                yield self.give_back(rng.choice(self.held))
            else:
                yield self.alloc(rng.choice((1, 1, 1, 2, 3, rng.randrange(1, 70),
                                             rng.randrange(1, 600))))


def check_steps(kernel: Kernel, steps: Sequence[Step], done: int) -> None:
    """Make the calls, and compare each with what the model says."""
    for number, (step, reply) in enumerate(zip(steps, kernel.all([each.asked for each in steps]))):
        reply.demand(step.error, f"in call {done + number} of a long row")
        if step.out is None:
            expect(not reply.touched or step.error == "OK",
                   f"{reply.asked} changes its result though it fails", "it is not touched")
        elif reply.out != step.out:
            raise Failure(Outcome.WRONG, f"call {done + number} of a long row, {reply.asked}, "
                          f"hands out {reply.out:#x}",
                          f"{step.out:#x}, the lowest place where so many are free")


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


def check_window(kernel: Kernel) -> None:
    """The window answers only once it is open, and no further than it reaches."""
    asks = [ask("phys_offset"), ask("phys_to_virt", PAGE)]
    replies = kernel.all([*asks, ask("window_open", WINDOW_BASE), *asks,
                          *(ask("phys_to_virt", at) for at in (WINDOW_SIZE - 8, WINDOW_SIZE))])
    equal([each.value for each in replies[:2]], [0, 0],
          "what phys_offset and phys_to_virt return before window_open")
    equal([each.value for each in replies[3:]],
          [WINDOW_BASE, WINDOW_BASE + PAGE, WINDOW_BASE + WINDOW_SIZE - 8, 0],
          "what phys_offset and three times phys_to_virt return after window_open")


def check_bad_frees(kernel: Kernel, in_use: list[int]) -> None:
    """frame_free refuses what it should, and nothing changes."""
    frame, *others = kernel.frames(30)
    kernel.give_back(others)
    free = kernel.frames_free()
    unaligned = [frame + offset for offset in (1, 8, 0x800, 0xFFF)]
    foreign = [0, 0xB8000, 10 * MIB + PAGE, 16 * MIB, 1 << 32, 1 << 40, (1 << 52) - PAGE,
               (1 << 64) - PAGE, *in_use]
    for error, addresses in (("ERROR_UNALIGNED", unaligned), ("ERROR_FOREIGN_FRAME", foreign),
                             ("ERROR_DOUBLE_FREE", others)):
        for reply in kernel.all([ask("frame_free", each) for each in addresses]):
            reply.demand(error)
    reply = kernel.one("frame_alloc_run", 0, OUT).demand("ERROR_COUNT")
    expect(not reply.touched, "frame_alloc_run(0, first) changes *first", "it is not touched")
    equal(kernel.frames_free(), free, "frames_free() after calls that all failed")
    equal(kernel.frame(), others[0], "the frame that is handed out after calls that all failed")
    kernel.give_back([frame, others[0]])


def check_exhaustion(kernel: Kernel) -> None:
    """Without frames nothing is handed out; two frames apart are no run of two."""
    held = kernel.drain()
    apart = [held[3], held[5]]
    sizes = (1, 2, 3, 64, 1 << 20, 1 << 52, (1 << 64) - 1)
    nothing: list[int] = []
    for freed in (nothing, apart):
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
