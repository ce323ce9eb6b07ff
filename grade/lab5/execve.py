"""Exercise 5.7: execve: the old program, the new one, and what must or must not change."""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

from grade.lab3.first_stack import AT_ENTRY, AT_PAGESZ
from grade.lab4.puppet import Puppet, puppet
from grade.lab5 import copy_on_write, user_state
from grade.lab5.processes import Failing, Family, Process, running
from grade.machine import Module, layout
from grade.machine.layout import (E2BIG, EFAULT, ENOENT, ENOEXEC, ENOMEM, PAGE, SYS_execve, USER_CS,
                                  USER_END, USER_SS, signed)
from grade.machine.state import FIXED, GENERAL, IF, State, compare, values, variable
from grade.outcome import equal, expect, show
from grade.programs.image import R, W, X, Image, Segment

WORDS = 64  # in each list, as exec.c allows
IMAGE = ("image.name", "image.root", "image.entry", "image.stack_pointer", "image.heap_start",
         "image.heap_end", "files", "pid", "parent")
TOP = layout.USER_STACK_TOP
CLEAN = struct.pack("<HHB", 0x37F, 0, 0).ljust(24, b"\0") + struct.pack("<I", 0x1F80)


class Target(NamedTuple):
    """A program that can be executed by name."""

    puppet: Puppet
    name: str

    @property
    def module(self) -> Module:
        return Module(self.puppet.file, f"{self.name} words of the module's line")


def target(rng: Random) -> Target:
    return Target(puppet(rng), f"x{rng.getrandbits(48):012x}")


def broken(rng: Random) -> list[Module]:
    """Files that are no programs."""
    base, code = rng.randrange(0x100, 1 << 33) * PAGE, bytes(16)
    segment = Segment(base, code)
    files = [rng.randbytes(200), b"", Image(base, [segment]).bytes()[:100],
             Image(base, [segment], {"machine": 3}).bytes(),
             Image(base, [segment], {"type": 3}).bytes(),
             Image(base, [Segment(base, code, R | W | X)]).bytes(),
             Image(base + PAGE, [segment]).bytes(), Image(base, []).bytes(),
             Image(1 << 47, [Segment(1 << 47, code)]).bytes(),
             Image(base, [segment, Segment(base + 8, code, R)]).bytes()]
    return [Module(file or b"\0", f"broken{i}") for i, file in enumerate(files)]


class Request(NamedTuple):
    """What execve is asked for: a text, or the address of one, and None for no list at all."""

    path: str | int
    argv: list[str | int] | int | None = None
    envp: list[str | int] | int | None = None


class Writer:
    """Puts a request into the program's data."""

    def __init__(self, family: Family) -> None:
        self.m, self.at = family.m, family.program.data
        self.end = self.at + 4 * PAGE

    def put(self, data: bytes) -> int:
        at = self.at
        self.at = at + len(data) + -len(data) % 8
        assert self.at <= self.end
        self.m.memory.write(at, data)
        return at

    def text(self, text: str | int) -> int:
        return text if isinstance(text, int) else self.put(text.encode() + b"\0")

    def list(self, words: list[str | int] | int | None) -> int:
        if words is None or isinstance(words, int):
            return words or 0
        places = [self.text(each) for each in words]
        return self.put(struct.pack(f"<{len(places) + 1}Q", *places, 0))

    def request(self, wanted: Request) -> tuple[int, int, int]:
        return self.text(wanted.path), self.list(wanted.argv), self.list(wanted.envp)


def begin_exec(family: Family, request: Request, by: str = "syscall") -> int:
    """Stand at the system call, with the request in memory: where it would return."""
    path, argv, envp = Writer(family).request(request)
    at = getattr(family.program, by)
    family.plant(rip=at, rax=SYS_execve, rdi=path, rsi=argv, rdx=envp, rflags=FIXED)
    return at + 2


def execute(family: Family, request: Request, to: Target, by: str = "syscall") -> None:
    """execve works: the new program is at its first instruction."""
    old = family.program
    back = begin_exec(family, request, by)
    stop = family.m.run_to(to.puppet.entry, back, "process_kill")
    expect(stop == to.puppet.entry, f"execve of {request.path!r} by {by}: " + (
        f"it returns {signed(family.m.regs.rax)}" if stop == back else
        f"the process is killed by signal {family.m.regs.rdi}"), "the new program begins")
    assert old is not to.puppet
    family.program = to.puppet
    family.root = family.m.regs.cr3


def never_in_use(family: Family) -> None:
    """From now on, an address space that is destroyed must not be the one in use."""
    def look() -> None:
        regs = family.m.regs
        expect(regs.cr3 != regs.rdi, "the address space that CR3 holds is being destroyed",
               "first CR3 gets the new one", "its tables may be somebody else's soon")
    for destroyer in ("user_tables_free", "address_space_destroy", "address_space_free_root"):
        family.m.on(destroyer, look)


def check_registers(family: Family) -> None:
    """As a program is entered for the first time: the flags, the selectors, and the rest zero."""
    m, regs, where = family.m, family.m.regs, "at the new program's first instruction"
    wanted = {**{name: 0 for name in GENERAL}, "rflags": FIXED | IF, "cs": USER_CS, "ss": USER_SS,
              "ds": USER_SS, "es": USER_SS, "fs": 0, "gs": 0, "fs_base": 0, "gs_base": 0,
              "k_gs_base": m.sym("percpu"), "rip": family.program.entry}
    compare({name: getattr(regs, name) for name in wanted}, wanted, where)
    equal(regs.cr3, running(m).root, f"{where}: CR3, compared with the process's root")
    equal(variable(m, "percpu", layout.PERCPU_FRAME), 0, f"{where}: percpu.frame")
    seen = user_state.seen_in_ring_3(family)
    equal(seen.fpu[:5].hex(), CLEAN[:5].hex(), f"{where}: x87 control, status, tags")
    equal(seen.fpu[24:28].hex(), CLEAN[24:].hex(), f"{where}: MXCSR")
    equal(seen.fpu[160:416], bytes(256), f"{where}: XMM0 to XMM15")


def check_stack(family: Family, argv: list[str], envp: list[str]) -> None:
    """argc, argv, envp, auxv."""
    m, at = family.m, family.m.regs.rsp
    equal(at % 16, 0, "RSP modulo 16 in the new program")
    words = struct.unpack(f"<{(TOP - at) // 8}Q", m.memory.read(at, TOP - at))
    equal(words[0], len(argv), "argc of the new program")
    place = 1
    for name, texts in (("argv", argv), ("envp", envp)):
        found = words[place:place + len(texts)]
        equal([m.memory.string(each) for each in found], texts, f"{name} of the new program")
        equal(words[place + len(texts)], 0, f"what lies behind {name}")
        place += len(texts) + 1
    auxiliary = dict(zip(words[place::2], words[place + 1::2]))
    equal((auxiliary.get(AT_PAGESZ), auxiliary.get(AT_ENTRY)), (PAGE, family.program.entry),
          "AT_PAGESZ and AT_ENTRY of the new program")


def check_memory(family: Family) -> None:
    """The new program's memory is that of its file, and its stack; nothing of the old one."""
    m, p = family.m, family.program
    pages = sorted([p.entry & -PAGE, p.constants, *(p.data + i * PAGE for i in range(4)),
                    TOP - PAGE])
    found = copy_on_write.user_half(family, m.regs.cr3)
    equal([hex(each.va) for each in found], [hex(each) for each in pages],
          "the pages that the new program has")
    equal(m.memory.read(p.data + PAGE, 3 * PAGE) == p.contents[PAGE:], True,
          "that the new program's data are those of its file")
    for each in found:
        rights = each.writable, each.executable
        expected = each.va not in (p.entry & -PAGE, p.constants), each.va == p.entry & -PAGE
        equal(rights, expected, f"(writable, executable) of the page at {each.va:#x}")


def check_process(family: Family, before: dict[str, bytes], name: str) -> None:
    """The process is the same one, its image is another."""
    process = running(family.m)
    for field in ("pid", "parent", "files"):
        equal(process.data(field).hex(), before[field].hex(),
              f"{field} of the process after execve")
    equal(process.data("image.name").split(b"\0")[0].decode(), name,
          "the process's name after execve")
    equal(process.get("image.entry"), family.program.entry, "the process's entry after execve")
    end = family.program.data + 4 * PAGE
    equal((process.get("image.heap_start"), process.get("image.heap_end")), (end, end),
          "heap_start and heap_end after execve")


def fields(process: Process) -> dict[str, bytes]:
    return {name: process.data(name) for name in IMAGE}


def replace(family: Family, to: Target, argv: list[str], envp: list[str], by: str) -> None:
    """One execve, looked at from all sides."""
    user_state.take_on(family, user_state.random_state(family.rng))
    before = fields(running(family.m))
    prefix = family.rng.choice(("", "/bin/", "./", "/a/very/long/way/"))
    execute(family, Request(prefix + to.name, [*argv], [*envp]), to, by)
    check_stack(family, argv or [""], envp)  # as on Linux
    check_memory(family)
    check_process(family, before, to.name)
    check_registers(family)


def texts(rng: Random, count: int, length: int = 12) -> list[str]:
    """Words for a list."""
    return ["".join(rng.choice("abcdefgh =/-") for _ in range(rng.randrange(length + 1)))
            for _ in range(count)]


class Unharmed:
    """What a program has before an execve that fails, and must have afterwards."""

    def __init__(self, family: Family) -> None:
        self.f = family
        family.into_kernel(rflags=FIXED)
        self.free = family.count_free()
        family.back()
        self.process = fields(running(family.m))
        self.pages = [each[:3] for each in copy_on_write.user_half(family, family.root)]

    def refused(self, request: Request, expected: int, why: str, failing: Failing | None = None,
                number: int = 0) -> bool:
        """execve returns this error. With a frame_alloc that is to fail: False if there was none,
        and the new program runs."""
        f, m, what = self.f, self.f.m, f"execve {why}"
        back = begin_exec(f, request, f.rng.choice(("syscall", "int80")))
        before = m.regs
        content = m.memory.read(f.program.data, 4 * PAGE)
        if failing:
            failing.left = number
        stop = m.run_to(back, "process_kill", "enter_usermode")
        if failing and not failing.happened:
            failing.left = 0
            return False
        expect(stop == back, f"{what} does not return", f"it returns {expected}")
        equal(signed(m.regs.rax), expected, what)
        self.check(before, content, what)
        return True

    def check(self, before: object, content: bytes, what: str) -> None:
        f, m = self.f, self.f.m
        kept = [name for name in GENERAL if name not in ("rax", "rcx", "r11")]
        wanted: State = {name: getattr(before, name) for name in (*kept, "rsp", "cr3", "fs_base")}
        compare(values(m.regs, wanted), wanted, f"{what}: afterwards")
        equal(fields(running(m)), self.process, f"{what}: the process afterwards")
        equal([each[:3] for each in copy_on_write.user_half(f, m.regs.cr3)], self.pages,
              f"{what}: the program's pages afterwards")
        equal(m.memory.read(f.program.data, 4 * PAGE) == content, True,
              f"{what}: that its data are intact")
        f.into_kernel(rflags=FIXED)
        equal(f.free(), self.free, f"{what}: frames_free() afterwards")
        f.back()

    def end(self) -> None:
        """No frame is lost, whatever the kernel says."""
        self.f.into_kernel(rflags=FIXED)
        equal(self.f.count_free(), self.free, "the number of free frames after calls that failed")
        self.f.back()


def requests(family: Family, name: str) -> list[tuple[Request, int, str]]:
    """What execve must refuse: request, error, why."""
    p, kernel = family.program, family.m.sym("kmain")
    unmapped, end = p.data - PAGE, p.data + 4 * PAGE
    family.m.memory.write(end - 8, b"/no-end/")
    a_few: list[str | int] = ["a", "b"]
    long: list[str | int] = ["x" * 900] * 4
    full: list[str | int] = [*["y" * 22] * (WORDS - 1), "y" * 60]
    return [
        (Request("nobody", a_few), -ENOENT, "of a name that there is not"),
        (Request(""), -ENOENT, "of an empty name"),
        (Request(name[:-1]), -ENOENT, "of the beginning of a name"),
        (Request(name + "x"), -ENOENT, "of more than a name"),
        *((Request(f"broken{i}", a_few), -ENOEXEC, f"of a broken file (number {i})")
          for i in range(10)),
        (Request(name, ["z"] * (WORDS + 1)), -E2BIG, "with too many words in argv"),
        (Request(name, [], ["z"] * (WORDS + 1)), -E2BIG, "with too many words in envp"),
        (Request(name, long), -E2BIG, "with words that are too long"),
        (Request(name, full, full), -E2BIG, "with more than the first stack page can hold"),
        (Request(0), -EFAULT, "of no path"), (Request(kernel), -EFAULT, "of a path in the kernel"),
        (Request(unmapped), -EFAULT, "of a path that is not mapped"),
        (Request(end - 8), -EFAULT, "of a path that runs into a page that is not mapped"),
        (Request(USER_END - 1), -EFAULT, "of a path at the end of the user half"),
        (Request(name, unmapped), -EFAULT, "with an argv that is not mapped"),
        (Request(name, kernel), -EFAULT, "with an argv in the kernel"),
        (Request(name, [], kernel), -EFAULT, "with an envp in the kernel"),
        (Request(name, ["a", unmapped]), -EFAULT, "with a word of argv that is not mapped"),
        (Request(name, ["a"], [kernel]), -EFAULT, "with a word of envp in the kernel"),
    ]


def without_memory(family: Family, to: Target) -> None:
    """Let each frame_alloc of an execve fail, one after the other; the last one works."""
    unharmed, failing = Unharmed(family), Failing(family.m)
    request = Request(to.name, ["one", "two"], ["three"])
    for n in range(1, 200):
        if not unharmed.refused(request, -ENOMEM, f"when its frame_alloc number {n} fails", failing,
                                n):
            expect(n > 8, f"execve takes {show(n - 1)} frames", "tables and pages")
            return
        if n % 4 == 0:
            unharmed.end()
