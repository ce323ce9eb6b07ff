"""Exercise 3.3: what a program finds on its stack, read as the program would (psABI 3.4.1)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from grade.lab import Lab
from grade.lab2.kernel import OUT, Reply
from grade.lab3.elf_files import LIMIT, MOST_DATA
from grade.lab3.kernel import Programs
from grade.machine import layout, paging
from grade.machine.layout import PAGE
from grade.machine.multiboot2 import Module
from grade.outcome import equal, expect
from grade.programs.image import HEADER, PROGRAM_HEADER, R, W, Image, Segment, patched

TOP = layout.USER_STACK_TOP
BOTTOM = TOP - PAGE
AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_ENTRY = 0, 3, 4, 5, 6, 9
AT_PLATFORM, AT_RANDOM, AT_EXECFN = 15, 25, 31
NAMES = {AT_PHDR: "AT_PHDR", AT_PHENT: "AT_PHENT", AT_PHNUM: "AT_PHNUM", AT_PAGESZ: "AT_PAGESZ",
         7: "AT_BASE", 8: "AT_FLAGS", AT_ENTRY: "AT_ENTRY", 11: "AT_UID", 12: "AT_EUID",
         13: "AT_GID", 14: "AT_EGID", AT_PLATFORM: "AT_PLATFORM", 16: "AT_HWCAP",
         17: "AT_CLKTCK", 23: "AT_SECURE", AT_RANDOM: "AT_RANDOM", AT_EXECFN: "AT_EXECFN"}
FIXED = {7: 0, 8: 0, 11: 0, 12: 0, 13: 0, 14: 0, 17: 100, 23: 0}
RANDOM_SIZE, PLATFORM = 16, b"x86_64"
MOST_AUXILIARY = 32
UNKNOWN_KIND = 64  # Linux has none as high as that

Texts = Sequence[bytes]

LONGEST_LINE = 255  # of the boot loader's, for a program


class Arguments(NamedTuple):
    """What a program is started with."""

    argv: Texts
    envp: Texts

    @property
    def words(self) -> int:
        """argc, the pointers, and a NULL behind each list."""
        return len(self.argv) + len(self.envp) + 3

    @property
    def characters(self) -> int:
        texts = sum(len(each) + 1 for each in (*self.argv, *self.envp))
        return texts + RANDOM_SIZE + len(PLATFORM) + 1

    @property
    def least(self) -> int:
        """How many bytes of stack all of it needs, RSP being a multiple of 16."""
        return self.characters + 8 * self.words + 16 * (len(NAMES) + 1) + 15 & -16

    @property
    def most(self) -> int:
        """And with each part aligned by itself."""
        return (self.characters + 15 & -16) + (8 * self.words + 15 & -16) + 16 * (len(NAMES) + 1)


def random_texts(rng: Random, most: int) -> list[bytes]:
    return [bytes(rng.choices(range(1, 256), k=rng.choice((0, 1, 7, 8, rng.randrange(40)))))
            for _ in range(rng.randrange(most))]


def random_arguments(rng: Random) -> Arguments:
    return Arguments([b"program"[:rng.randrange(1, 8)], *random_texts(rng, 9)],
                     random_texts(rng, 9))


def arguments_of(rng: Random, size: int, most: bool) -> Arguments:
    """Arguments that need exactly this much, by the larger or the smaller measure."""
    few = random_arguments(rng)
    while True:
        missing = size - (few.most if most else few.least)
        if not missing:
            return few
        few = few._replace(argv=[few.argv[0] + b"a" * max(missing, 1), *few.argv[1:]])


class FirstStack:
    """user_stack_create, asked again and again."""

    def __init__(self, kernel: Programs, rng: Random) -> None:
        self.kernel, self.m, self.rng = kernel, kernel.m, rng
        self.random: list[bytes] = []

    def program(self) -> Image:
        """A file whose program headers lie in its second segment, or in none."""
        base = self.rng.randrange(1, LIMIT // PAGE - 16) * PAGE
        size = HEADER.size + 3 * PROGRAM_HEADER.size
        code = Segment(base + 5 * PAGE + size, self.rng.randbytes(self.rng.randrange(1, MOST_DATA)))
        shown = Segment(base, b"", R, memory_size=size)
        return Image(code.address, [shown, code, Segment(0, b"", R | W, 0)])

    def ask(self, root: int, arguments: Arguments, file: bytes) -> Reply:
        """Lay the lists out in kernel memory, and make the call."""
        at = self.kernel.data + 16
        pointers = []
        for texts in (arguments.argv, arguments.envp):
            table = b""
            for each in texts:
                self.m.memory.write(at, each + b"\0")
                table += struct.pack("<Q", at)
                at += len(each) + 1
            at = at + 7 & -8
            self.m.memory.write(at, table + bytes(8))
            pointers.append(at)
            at += len(table) + 8
        self.m.memory.write(self.kernel.data, struct.pack("<2Q", *pointers))
        put = self.kernel.put(file)
        return self.kernel.one("user_stack_create", root, self.kernel.data, put.address, OUT)

    def check(self, arguments: Arguments) -> None:
        """Make one, and read it."""
        image, shown = self.program(), bool(self.rng.randrange(2))
        file = with_headers_shown(image) if shown else image.bytes()
        root = self.kernel.space()
        reply = self.ask(root, arguments, file)
        reply.demand("OK", f"for {len(arguments.argv)} arguments and {len(arguments.envp)} "
                     f"variables of {arguments.characters} bytes")
        self.check_page(root)
        stack = Reader(self.kernel, root, reply.out)
        stack.check_lists(arguments)
        stack.check_auxiliary({
            AT_PHDR: image.segments[0].address + HEADER.size if shown else 0,
            AT_PHENT: PROGRAM_HEADER.size, AT_PHNUM: 3, AT_PAGESZ: PAGE, AT_ENTRY: image.entry,
            **FIXED})
        stack.check_pointed_to(arguments)
        self.random.append(stack.random)
        self.kernel.end(root)

    def check_page(self, root: int) -> None:
        """One page, for reading and writing in ring 3."""
        found = paging.mappings(self.m.phys, root, 0, 255)
        equal([each.va for each in found], [BOTTOM], "the list of pages in the user half")
        page = found[0]
        expect(page.user and page.writable and not page.executable,
               f"the stack's page is mapped as {page}",
               "for ring 3, writable, not executable (uw-)")

    def refuse(self, arguments: Arguments) -> None:
        """Too much for a page."""
        root = self.kernel.space()
        self.ask(root, arguments, self.program().bytes()).demand(
            "ERROR_ARGUMENTS", f"for arguments that need {arguments.least} bytes of stack")
        self.kernel.end(root)


def with_headers_shown(image: Image) -> bytes:
    """The file with its own headers in the first segment, so that they lie in memory, too."""
    return patched(image.bytes(), 0, offset=0, file_size=image.segments[0].size)


class Reader:
    """A program that looks at its stack."""

    def __init__(self, kernel: Programs, root: int, pointer: int) -> None:
        self.kernel, self.pointer = kernel, pointer
        place = kernel.m.memory.walk(BOTTOM, root)
        assert place
        self.page = kernel.m.phys.read(place.pa, PAGE)
        expect(BOTTOM <= pointer < TOP, f"RSP would be {pointer:#x}",
               f"an address in the stack's first page, {BOTTOM:#x} to {TOP:#x}")
        equal(pointer % 16, 0, f"the stack pointer {pointer:#x} modulo 16", "psABI 3.4.1")

    def word(self, index: int) -> int:
        at = self.pointer - BOTTOM + 8 * index
        expect(at + 8 <= PAGE, f"the lists on the stack have no end below {TOP:#x}",
               "argv and envp each end with a NULL, the auxiliary vector with AT_NULL")
        return int.from_bytes(self.page[at:at + 8], "little")

    def text(self, address: int, what: str) -> bytes:
        """A string of the stack."""
        expect(BOTTOM <= address < TOP, f"{what} is {address:#x}",
               f"a pointer into the stack's page, {BOTTOM:#x} to {TOP:#x}: the program cannot "
               "read the kernel's strings")
        end = self.page.find(b"\0", address - BOTTOM)
        expect(end >= 0, f"{what} points to a text without an end", "a zero byte behind each")
        return self.page[address - BOTTOM:end]

    def check_lists(self, arguments: Arguments) -> None:
        """argc, argv, NULL, envp, NULL."""
        equal(self.word(0), len(arguments.argv), "argc, at RSP,")
        self.next = 1
        for name, texts in (("argv", arguments.argv), ("envp", arguments.envp)):
            for i, wanted in enumerate(texts):
                pointer = self.word(self.next)
                equal(self.text(pointer, f"{name}[{i}]"), wanted, f"{name}[{i}]")
                self.next += 1
            equal(self.word(self.next), 0, f"{name}[{len(texts)}], where the list ends,")
            self.next += 1

    def check_auxiliary(self, wanted: dict[int, int]) -> None:
        """The auxiliary vector, in any order, up to AT_NULL."""
        found: dict[int, int] = {}
        for _ in range(MOST_AUXILIARY):
            kind, value = self.word(self.next), self.word(self.next + 1)
            self.next += 2
            if kind == AT_NULL:
                break
            expect(kind < UNKNOWN_KIND, f"an entry of the auxiliary vector has type {kind:#x}, "
                   f"behind the types {sorted(found)}", "the vector ends with AT_NULL (0)")
            found[kind] = value
        for kind, value in wanted.items():
            expect(kind in found, f"the auxiliary vector has no {NAMES[kind]} ({kind}); it has the "
                   f"types {sorted(found)[:12]}", f"{NAMES[kind]} with {value:#x}")
            equal(found[kind], value, f"{NAMES[kind]} in the auxiliary vector")
        self.auxiliary = found

    def check_pointed_to(self, arguments: Arguments) -> None:
        """What a C library reads before main; of glibc's static programs none starts without."""
        for kind, wanted in ((AT_PLATFORM, PLATFORM), (AT_EXECFN, (*arguments.argv, b"")[0])):
            expect(kind in self.auxiliary, f"the auxiliary vector has no {NAMES[kind]} ({kind})",
                   "user_stack.c, put_auxiliary")
            equal(self.text(self.auxiliary[kind], NAMES[kind]), wanted, f"{NAMES[kind]}'s text")
        at = self.auxiliary.get(AT_RANDOM, 0) - BOTTOM
        expect(0 <= at <= PAGE - RANDOM_SIZE, f"AT_RANDOM is {at + BOTTOM:#x}",
               "an address in the stack's page with 16 bytes behind it")
        self.random = self.page[at:at + RANDOM_SIZE]


def check_lines(lab: Lab) -> None:
    """A module's line of 255 characters, in as many words as it can have, starts a program; of one
    more word nothing does: it would run with other arguments than those that were given."""
    for words in LONGEST_LINE // 2, LONGEST_LINE // 2 + 1:
        with lab.boot(modules=[Module(b"", "x" + " y" * words)]) as m:
            if words * 2 < LONGEST_LINE:
                m.run_to("process_create")
            else:
                m.on("process_create", lambda: expect(
                    False, f"process_create is called for a module whose line has {words} words "
                    f"and {1 + 2 * words} characters", "an error, and no line that is cut"))
                m.run_to_exit()
