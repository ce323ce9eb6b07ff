"""Exercise 3.2: random good program files with what must come of them, and broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import NamedTuple

from grade.lab2.kernel import OUT, ask
from grade.lab3.kernel import FILE_ROOM, Programs
from grade.machine import layout, paging
from grade.machine.layout import PAGE, WINDOW_BASE, WORD
from grade.outcome import equal, expect
from grade.programs.image import (DYNAMIC, HEADER, INTERPRETER, NOTE, R, W, X, Image, Segment,
                                  patched)

USER_START, KERNEL_BASE = layout.USER_START, layout.KERNEL_BASE
LIMIT = layout.USER_STACK_LIMIT - PAGE  # programs end below it
STACK = layout.USER_STACK_TOP
GNU_STACK, TLS = 0x6474E551, 7

RIGHTS = (R | X, X, R, R | W, W, R | X)
MOST_DATA, MOST_BSS = 7000, 9000
FEW = 100  # frames


class Page(NamedTuple):
    """What must be mapped somewhere."""

    writable: bool
    executable: bool
    data: bytes


def random_image(rng: Random) -> Image:
    """One to five segments, somewhere, with parts that are not loaded in between."""
    count = rng.randrange(1, 6)
    first = rng.choice((USER_START, LIMIT - 0x20000, rng.randrange(1 << 46)))
    segments: list[Segment] = []
    place = max(first, USER_START)
    for i in range(count):
        size, bss = rng.randrange(1, MOST_DATA), rng.choice((0, rng.randrange(MOST_BSS)))
        flags = R | X if i == 0 else rng.choice(RIGHTS)
        segments.append(Segment(place, rng.randbytes(size), flags, size + bss))
        place = (segments[-1].end + PAGE - 1 & -PAGE) + rng.choice((0, rng.randrange(3 * PAGE)))
    if first > LIMIT - 0x20001:
        segments[-1] = ending_at_the_limit(segments[-1])
    elif rng.randrange(2):  # only .bss, whose place in the file is where no file is
        segments.append(Segment(place, b"", R | W, rng.randrange(1, MOST_BSS),
                                offset=(1 << 40) + place % PAGE))
    start = rng.choice([each for each in segments if each.flags & X])
    entry = rng.choice((start.address, start.end - 1, rng.randrange(start.address, start.end)))
    for _ in range(rng.randrange(3)):
        segments.insert(rng.randrange(len(segments) + 1), rng.choice((
            Segment(rng.getrandbits(64), b"", rng.choice((0, R, W, R | W)), 0, GNU_STACK, 0),
            Segment(rng.getrandbits(64), b"note", R, 999, NOTE),
            Segment(rng.getrandbits(64), b"", R | W | X, 0, offset=rng.getrandbits(64)))))
    return Image(entry, segments, headers_at=HEADER.size + 8 * rng.randrange(20))


def ending_at_the_limit(segment: Segment) -> Segment:
    """The same with zeroes up to the last byte that a program may have."""
    return replace(segment, memory_size=LIMIT - segment.address)


def expected_pages(image: Image) -> dict[int, Page]:
    """Every page that a program has once it is loaded."""
    found: dict[int, Page] = {}
    for each in image.segments:
        if each.kind != 1 or not each.size:
            continue
        low, high = each.address & -PAGE, each.end + PAGE - 1 & -PAGE
        data = bytes(each.address - low) + each.data
        data = data.ljust(high - low, b"\0")
        for va in range(low, high, PAGE):
            found[va] = Page(bool(each.flags & W), bool(each.flags & X),
                             data[va - low:va - low + PAGE])
    return found


class Loaded(NamedTuple):
    """A random program in an address space of its own, and what should be there."""

    root: int
    image: Image
    pages: dict[int, Page]
    entry: int


def load_random(kernel: Programs, rng: Random, count: int) -> Iterator[Loaded]:
    """Load one random program after the other; all that one takes must come back at its end."""
    free = kernel.count_free()
    for _ in range(count):
        image = random_image(rng)
        root = kernel.space()
        reply = kernel.load(root, image.bytes()).demand("OK", f"for {describe(image)}")
        yield Loaded(root, image, expected_pages(image), reply.out)
        kernel.end(root)
        equal(kernel.frames_free(), free, "frames_free() after the program was loaded and its "
              "address space destroyed")
    equal(kernel.count_free(), free, "the number of free frames after all programs")


def describe(image: Image) -> str:
    """Its segments, for a message."""
    parts = [f"{each.address:#x}+{each.size:#x} "
             + "".join(letter if each.flags & bit else "-" for letter, bit in
                       (("r", R), ("w", W), ("x", X)))
             for each in image.segments if each.kind == 1 and each.size]
    return "a program with the segments " + ", ".join(parts)


def check_rights(kernel: Programs, loaded: Loaded) -> None:
    """The user half maps these pages and no others, each for ring 3 and with exactly its rights."""
    found = {each.va: each for each in paging.mappings(kernel.m.phys, loaded.root, 0, 255)}
    what = describe(loaded.image)
    for va in sorted(loaded.pages.keys() | found.keys()):
        expect(va in found, f"{va:#x} is not mapped, of {what}", "every page of it is mapped")
        expect(va in loaded.pages, f"{found.get(va)} is mapped, and belongs to no segment of "
               f"{what}", "nothing else is mapped")
        page, seen = loaded.pages[va], found[va]
        expect(seen.user, f"ring 3 may not use {seen}", "the user bit at every level")
        for name in ("writable", "executable"):
            right = getattr(page, name)
            expect(getattr(seen, name) == right,
                   f"{va:#x} is {'' if not right else 'not '}{name}, of {what}",
                   f"it is {'' if right else 'not '}{name}: each segment has exactly its rights")
    frames = [each.pa for each in found.values()]
    equal(len(set(frames)), len(frames), "the number of different frames that the pages have")
    equal(loaded.entry, loaded.image.entry, "the entry that load_elf hands back")


def check_contents(kernel: Programs, loaded: Loaded) -> None:
    """Byte for byte: what the file has, and zeroes everywhere else."""
    for each in loaded.image.segments:
        if each.kind != 1 or not each.size:
            continue
        for va in range(each.address & -PAGE, each.end, PAGE):
            place = kernel.m.memory.walk(va, loaded.root)
            expect(place, f"{va:#x} is not mapped", "every page of the segment is mapped")
            assert place
            compare_page(va, kernel.m.phys.read(place.pa, PAGE), loaded.pages[va].data, each)


def compare_page(va: int, seen: bytes, wanted: bytes, segment: Segment) -> None:
    """Name the first byte that is wrong, and which part of the segment it belongs to."""
    at = next((i for i in range(PAGE) if seen[i] != wanted[i]), None)
    if at is None:
        return
    address, start, file_end = va + at, segment.address, segment.address + len(segment.data)
    part = ("before the segment's first byte" if address < start else
            f"byte {address - start} of the {len(segment.data)} that the file has"
            if address < file_end else
            "in the zeroes behind what the file has (BSS)" if address < segment.end else
            "behind the segment's last byte, in the tail of its page")
    expect(False, f"{address:#x} holds {seen[at]:#04x} ({part}; segment at {start:#x}, "
           f"{segment.size:#x} bytes in memory)", f"{wanted[at]:#04x}")


# Broken files


class Broken(NamedTuple):
    """A file that must be refused, what is wrong with it, and the error."""

    words: str
    data: bytes
    error: str


class Maker:
    """A good program of three segments, and everything that can be wrong with it.

    The addresses are chosen so that the file is short: many fit into the module at once."""

    def __init__(self, rng: Random) -> None:
        base = rng.randrange(16, 1 << 30) * PAGE
        text = Segment(base + 0x100, rng.randbytes(90), R | X)
        constants = Segment(base + 3 * PAGE + 0x180, rng.randbytes(50), R)
        data = Segment(base + 5 * PAGE + 0x1C0, rng.randbytes(60), R | W, 3000)
        self.good = Image(text.address + 5, (text, constants, data))
        self.made: list[Broken] = []

    def add(self, error: str, words: str, data: bytes) -> None:
        self.made.append(Broken(words, data, error))

    def header(self, error: str, **fields: int | bytes) -> None:
        """One field of the header is different."""
        for name, value in fields.items():
            shown = f"{value:#x}" if isinstance(value, int) else repr(value)
            self.add(error, f"its header says {name} = {shown}",
                     replace(self.good, fields={name: value}).bytes())

    def segment(self, error: str, number: int, words: str = "", **fields: int) -> None:
        """One program header is different."""
        shown = words or ", ".join(f"{name} = {value:#x}" for name, value in fields.items())
        self.add(error, f"its segment {number}: {shown}",
                 patched(self.good.bytes(), number, **fields))

    def extra(self, error: str, words: str, *segments: Segment, only: bool = False) -> None:
        """More segments, or only these."""
        kept = () if only else self.good.segments
        self.add(error, words, replace(self.good, segments=(*kept, *segments)).bytes())


def broken_headers(make: Maker) -> None:
    """What is wrong before the first segment is looked at."""
    whole = make.good.bytes()
    for size in (0, 3, 63, 64, HEADER.size + 3 * 56 - 1):
        make.add("ERROR_ELF_TRUNCATED", f"the file ends after {size} bytes", whole[:size])
    make.header("ERROR_ELF_MAGIC", magic=b"\x7fELG")
    make.header("ERROR_ELF_CLASS", class_=1, data=2, ident_version=0, version=2)
    for kind in (1, 3, 4):
        make.header("ERROR_ELF_TYPE", type=kind)
    make.header("ERROR_ELF_MACHINE", machine=3)
    make.header("ERROR_ELF_HEADER", header_size=52, program_header_size=32,
                program_headers=HEADER.size + 1)
    make.header("ERROR_ELF_TRUNCATED", program_header_count=0x10000 // 56,
                program_headers=WORD - 56)
    make.header("ERROR_ELF_HEADER", program_header_count=0x10000 // 56 + 1)
    make.header("ERROR_ELF_HEADER", program_header_count=0xFFFF)
    make.header("ERROR_ELF_NO_SEGMENT", program_header_count=0)
    make.extra("ERROR_ELF_NO_SEGMENT", "nothing in it is to be loaded",
               Segment(0x400000, b"note", R, kind=NOTE), only=True)
    make.extra("ERROR_ELF_INTERPRETER", "it wants a dynamic linker",
               Segment(0x400000, b"/lib/ld.so", R, kind=INTERPRETER))
    make.extra("ERROR_ELF_INTERPRETER", "it has a dynamic section",
               Segment(0x400000, bytes(16), R, kind=DYNAMIC))


def broken_places(make: Maker) -> None:
    """Segments that the file has not whole, or that do not fit into the memory of programs."""
    data = make.good.segments[2]
    offset = make.good.bytes().rindex(data.data)
    make.add("ERROR_ELF_TRUNCATED", "its last byte is missing", make.good.bytes()[:-1])
    for size in (len(data.data) + 1, 1 << 40, 1 << 63, WORD - offset, WORD - 1):
        make.segment("ERROR_ELF_TRUNCATED", 2, file_size=size, memory_size=max(size, 3000))
    for offset in (offset + PAGE, (1 << 63) + offset, WORD - PAGE + offset % PAGE):
        make.segment("ERROR_ELF_TRUNCATED", 2, offset=offset)
    make.segment("ERROR_ELF_SIZE", 2, memory_size=len(data.data) - 1)
    make.segment("ERROR_ELF_SIZE", 0, memory_size=1)
    make.segment("ERROR_ELF_SIZE", 2, memory_size=0)
    for shift in (1, 8, 0x800, PAGE - 1):
        make.segment("ERROR_ELF_ALIGNMENT", 2, address=data.address + shift,
                     words=f"address not at its offset modulo {PAGE:#x}, but {shift} further")
    low = data.address % PAGE
    for address in (low, USER_START - PAGE + low, LIMIT + low, STACK - PAGE + low, (1 << 47) + low,
                    WINDOW_BASE + low, KERNEL_BASE + 0x100000 + low, WORD - PAGE + low):
        make.segment("ERROR_ELF_RANGE", 2, address=address)
    room = LIMIT - data.address
    for size in (room + 1, room + PAGE, 1 << 47, 1 << 63, WORD - data.address,
                 WORD - data.address + 2 * PAGE, WORD - 1):
        make.segment("ERROR_ELF_RANGE", 2, memory_size=size)


def broken_together(make: Maker) -> None:
    """Segments that clash with each other, with W^X, or with the entry."""
    text, constants, data = make.good.segments
    make.segment("ERROR_ELF_ORDER", 2, words="lies below the one before it",
                 address=data.address - 3 * PAGE)
    make.segment("ERROR_ELF_ORDER", 2, words="begins in the page in which the one before it ends",
                 address=(constants.address & -PAGE) + data.address % PAGE)
    make.segment("ERROR_ELF_ORDER", 1, words="ends in the page in which the next one begins",
                 memory_size=(data.address & -PAGE) + 1 - constants.address)
    make.segment("ERROR_ELF_ORDER", 0, words="contains all others", memory_size=100 * PAGE)
    for flags in (W | X, R | W | X):
        make.segment("ERROR_ELF_WRITE_EXECUTE", 2, flags=flags)
    make.segment("ERROR_ELF_WRITE_EXECUTE", 0, flags=R | W | X)
    make.extra("ERROR_ELF_WRITE_EXECUTE", "it wants an executable stack",
               Segment(0, b"", R | W | X, 0, GNU_STACK, 0))
    for words, entry in (
            ("0", 0), ("in its constants", constants.address + 8), ("in its data", data.address),
            ("one byte before its code", text.address - 1), ("one byte behind it", text.end),
            ("in the kernel", KERNEL_BASE + 0x101000),
            ("its code's address plus 2^47", text.address + (1 << 47))):
        make.add("ERROR_ELF_ENTRY", f"it starts at {entry:#x}: {words}",
                 replace(make.good, entry=entry).bytes())


def broken_twice(make: Maker) -> None:
    """Two mistakes: the order in which they are found is part of the contract."""
    data = make.good.segments[2]
    make.segment("ERROR_ELF_TRUNCATED", 2, file_size=2 * PAGE, memory_size=1,
                 words="more than the file has, and more than it has in memory")
    make.segment("ERROR_ELF_SIZE", 2, address=data.address + 1, memory_size=1,
                 words="more than it has in memory, and not aligned")
    make.segment("ERROR_ELF_ALIGNMENT", 2, address=1, words="not aligned, and out of range")
    make.segment("ERROR_ELF_RANGE", 2, address=data.address % PAGE,
                 words="out of range, and below the one before it")
    make.segment("ERROR_ELF_ORDER", 2, address=data.address - 4 * PAGE, flags=R | W | X,
                 words="not in order, and writable and executable")
    make.segment("ERROR_ELF_WRITE_EXECUTE", 0, flags=R | W | X, memory_size=100 * PAGE,
                 words="writable and executable, and the next one lies in it")


def broken_files(rng: Random) -> list[Broken]:
    """All of them."""
    make = Maker(rng)
    for part in (broken_headers, broken_places, broken_together, broken_twice):
        part(make)
    make.add("OK", "nothing is wrong with it", make.good.bytes())
    return make.made


def refuse_all(kernel: Programs, rng: Random) -> None:
    """Load each of them: the error is the right one, and nothing was loaded."""
    files = broken_files(rng)
    root, free = kernel.space(), kernel.count_free()
    calls, at = [], 0
    for each in files[:-1]:
        kernel.m.phys.write(kernel.module + at, each.data)
        calls.append(ask("load_elf", root, WINDOW_BASE + kernel.module + at, len(each.data), OUT))
        at += len(each.data) + 0x37 & -8
    assert at < FILE_ROOM
    for broken, reply in zip(files, kernel.all(calls)):
        reply.demand(broken.error, f"for a file of which this is wrong: {broken.words}")
    expect(not paging.mappings(kernel.m.phys, root, 0, 255),
           "something of a broken file has been mapped", "nothing is loaded before all is checked")
    equal(kernel.count_free(), free, "the number of free frames after files that were refused")
    kernel.load(root, files[-1].data).demand("OK", "for the file of which the others are variants")


def run_out_of_frames(kernel: Programs) -> None:
    """A file that promises more memory than there is."""
    kernel.drain(keep=FEW)
    free = kernel.count_free()
    root = kernel.space()
    huge = Image(0x400000, [Segment(0x400000, b"\xf4", R | X),
                            Segment(0x500000, b"", R | W, 1 << 40)])
    kernel.load(root, huge.bytes()).demand("ERROR_NO_FRAMES", "for a program of 1 TiB")
    kernel.end(root)
    equal(kernel.count_free(), free, "the number of free frames after the address space was "
          "destroyed")
