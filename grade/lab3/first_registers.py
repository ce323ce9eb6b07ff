"""Exercise 3.6: what ring 3 finds in every register, and what no interrupt may change."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from grade.lab import Lab
from grade.machine import Machine, Module, layout, msr, paging
from grade.machine.layout import MSR_FS_BASE, PAGE, USER_CS, USER_END, USER_SS, USER_START
from grade.machine.paging import ADDRESS
from grade.machine.state import ARITHMETIC, DF, FIXED, GENERAL, ID, IF, random_registers
from grade.outcome import equal, expect
from grade.programs.image import R, W, Code, Image, Segment, assemble

AREA = 512  # of FXSAVE
CONTROL_WORD, STATUS_WORD, TAG_WORD, MXCSR = (0, 2), (2, 2), (4, 1), (24, 4)  # offset, size
CLEAN = ((CONTROL_WORD, 0x37F, "the x87 control word"), (STATUS_WORD, 0, "the x87 status word"),
         (TAG_WORD, 0, "the x87 tag byte"), (MXCSR, 0x1F80, "MXCSR"))

TIMER = layout.VECTOR_TIMER
FAST = 119  # the timer's divisor for 10 kHz
TICKS, LOOPS, MOST_SLICES = 1000, 5_000_000, 300

# What runs in ring 3. UD2 is only there to come back to ring 0.
PROGRAM = """
        times {padding} nop
start:  ud2
store:  fxsave64 [area]
stored: ud2
load:   fxrstor64 [area]
loaded: nop
spin:   sub qword [loops], 1
        jnz spin
        fxsave64 [area]
spun:   ud2
area equ $$ + {distance}
loops equ area + 512
"""
LABELS = ("start", "store", "stored", "load", "loaded", "spin", "spun")

# What the grader needs in ring 0, at a place to which the kernel never returns.
DIRTY = "fxrstor64 [rdi]\nret\n"
SPEED = ("mov al, 0x34\nout 0x43, al\nmov eax, edi\nout 0x40, al\nmov al, ah\nout 0x40, al\nret\n")


class Made(NamedTuple):
    """A program at a random place, and where its parts are."""

    image: Image
    code: Code
    data: int

    def at(self, label: str) -> int:
        return self.code.labels[label]


def make_program(rng: Random) -> Made:
    base = rng.randrange(16, 1 << 30) * PAGE + rng.randrange(PAGE)
    data = (base & -PAGE) + 0x10000
    text = PROGRAM.format(padding=rng.randrange(3 * PAGE), distance=data - base)
    code = assemble(text, base, LABELS)
    segments = [Segment(base, code.bytes), Segment(data, b"", R | W, AREA + 8)]
    return Made(Image(code.labels["start"], segments), code, data)


class Entrance:
    """The kernel stands at enter_usermode, and enters ring 3 as often as the grader likes."""

    def __init__(self, m: Machine, rng: Random, made: Made) -> None:
        self.m, self.rng, self.made = m, rng, made
        m.run_to("enter_usermode")
        self.regs = m.regs
        self.fs_base = m.sym("user_fs_base")

    def check_call(self) -> None:
        """What enter_usermode is called with, and what must hold then."""
        regs, m = self.regs, self.m
        equal(regs.rdi, self.made.at("start"), "entry, the first argument of enter_usermode,")
        equal(regs.rdx, USER_CS, "cs, the third argument of enter_usermode,")
        equal(regs.rcx, USER_SS, "ss, the fourth argument of enter_usermode,")
        open_pages = [each for each in paging.mappings(m.phys, regs.cr3, 256, 511) if each.user]
        expect(not open_pages, f"ring 3 may use {open_pages[:1]} in the kernel's half",
               "the kernel's half is for the kernel only")

    def enter(self, label: str, stack: int, fs_base: int) -> dict[str, int]:
        """Call enter_usermode anew, with everything in the registers that must not be seen in
        ring 3, and stop at the program's first instruction; the registers before."""
        m = self.m
        m.memory.set_u64(self.fs_base, fs_base)
        flags = self.regs.rflags & IF | FIXED | self.rng.getrandbits(12) & sum(ARITHMETIC)
        before = {**random_registers(self.rng), "rdi": self.made.at(label), "rsi": stack,
                  "rdx": USER_CS, "rcx": USER_SS, "rsp": self.regs.rsp, "rflags": flags}
        m.set_regs(cr3=self.regs.cr3, fs=USER_SS, gs=USER_SS, rip=self.regs.rip, **before)
        m.set_regs(fs_base=self.rng.getrandbits(47))
        m.run_to(self.made.at(label))
        return before

    def back(self) -> None:
        """The program executes UD2, or the timer comes: in any case, back to ring 0."""
        self.m.run_to("trap")

    def check_state(self, stack: int, fs_base: int) -> None:
        """The whole state at the first instruction in ring 3."""
        regs = self.m.regs
        equal(regs.cpl, 3, "the ring (CPL) at the program's first instruction")
        for name, value in (("cs", USER_CS), ("ss", USER_SS), ("ds", USER_SS), ("es", USER_SS),
                            ("fs", 0), ("gs", 0), ("rsp", stack), ("rflags", IF | FIXED)):
            equal(getattr(regs, name), value, f"{name.upper()} at the program's first instruction")
        for name in GENERAL:
            equal(getattr(regs, name), 0, f"{name.upper()} at the program's first instruction",
                  "what the kernel leaves in a register, it tells the program")
        equal(regs.fs_base, fs_base, "FS_BASE at the program's first instruction")
        equal(regs.cr3 & ADDRESS, self.regs.cr3 & ADDRESS, "the address space in use")

    def kernel_code(self, text: str, argument: int) -> None:
        """Run a piece of code of the grader's in ring 0."""
        code = self.m.sym("kmain")
        self.m.memory.poke_code(code, assemble(text, code).bytes)
        self.m.call(code, argument)

    def check_fpu(self) -> None:
        """Rubbish in x87 and SSE registers before; nothing of it afterwards."""
        m, area = self.m, bytearray(self.rng.randbytes(AREA))
        struct.pack_into("<HHB", area, 0, 0x27F, 0, 0xFF)
        struct.pack_into("<I", area, MXCSR[0], 0x9FC0)
        place = m.sym("probe_data")
        m.memory.write(place, bytes(area))
        self.kernel_code(DIRTY, place)
        self.enter("store", USER_START, 0)
        m.run_to(self.made.at("stored"))
        seen = m.memory.read(self.made.data, AREA)
        for (offset, size), wanted, name in CLEAN:
            equal(int.from_bytes(seen[offset:offset + size], "little"), wanted,
                  f"{name}, as the program finds it,")
        for name, value in vectors(seen):
            equal(value, 0, f"{name}, as the program finds it,")
        self.back()


def vectors(area: bytes) -> Iterator[tuple[str, int]]:
    """ST0 to ST7 and XMM0 to XMM15 in what FXSAVE stores."""
    for i in range(8):
        yield f"ST{i}", int.from_bytes(area[32 + 16 * i:42 + 16 * i], "little")
    for i in range(16):
        yield f"XMM{i}", int.from_bytes(area[160 + 16 * i:176 + 16 * i], "little")


@contextmanager
def entrance(lab: Lab) -> Iterator[Entrance]:
    made = make_program(lab.rng)
    with lab.boot(probe=True, modules=[Module(made.image.bytes(), "entrance")]) as m:
        yield Entrance(m, lab.rng, made)


def random_stack(rng: Random) -> int:
    return rng.randrange(USER_START, USER_END, 16)


# FS_BASE


def fs_bases(rng: Random) -> list[int]:
    """Nothing, one half only, both, and the kernel's half of the canonical addresses."""
    low, high = rng.getrandbits(32) | 1 << 31, rng.getrandbits(14) + 1
    return [high << 32 | low, low, 1 << 32, high << 32, 0, 1, (1 << 47) - 1, (1 << 64) - (1 << 47),
            (1 << 64) - 1 - rng.getrandbits(46), 0]


def check_fs_base(gate: Entrance) -> None:
    """The value in ring 3, and when it was written: QEMU clears FS_BASE when FS gets the null
    selector, as Intel's processors do; on some of AMD's it would keep the last program's."""
    m, selectors = gate.m, []

    def note() -> None:
        written = msr.about_to_write(m.regs)
        if written.msr == MSR_FS_BASE:
            selectors.append((m.regs.fs, written.value))

    for place in msr.places(m.symbols.elf):
        m.on(place, note)
    for value in fs_bases(gate.rng):
        selectors.clear()
        stack = random_stack(gate.rng)
        gate.enter("start", stack, value)
        what = f"with user_fs_base = {value:#x}"
        expect(m.regs.fs_base == value, f"FS_BASE is {m.regs.fs_base:#x} in ring 3 {what}",
               f"{value:#x}, both halves, whatever FS held before")
        equal(m.regs.rsp, stack, f"RSP in ring 3 {what}", "WRMSR takes ECX, EDX and EAX: what is "
              "pushed must have been pushed before")
        expect(selectors, f"no wrmsr to FS_BASE {what}", "it is written each time, also with 0: "
               "some processors keep the old base when FS gets the null selector")
        equal(selectors[-1], (0, value), f"(FS, value) at the last wrmsr to FS_BASE {what}")
        gate.back()


# The timer


def check_ticks(gate: Entrance) -> None:
    """A thousand interrupts of a program that has random numbers in every register."""
    m, made = gate.m, gate.made
    gate.kernel_code(SPEED, FAST)
    gate.enter("load", USER_START, gate.rng.getrandbits(47))
    area = bytearray(AREA)
    struct.pack_into("<HHB", area, 0, 0x37F, 0, 0xFF)
    struct.pack_into("<I", area, MXCSR[0], 0x1F80)
    area[160:416] = gate.rng.randbytes(256)
    for i in range(8):
        area[32 + 16 * i:42 + 16 * i] = gate.rng.randbytes(10)
    m.memory.write(made.data, bytes(area))
    m.run_to(made.at("loaded"))
    before = m.regs
    state = {**random_registers(gate.rng), "rsp": gate.rng.getrandbits(47)}
    m.set_regs(rflags=before.rflags & IF | FIXED | DF | ID, **state)
    ticks = spin(gate, bytes(area), state)
    expect(ticks >= TICKS, f"{ticks} timer interrupts in ring 3, and then no more",
           f"{TICKS} and more: the timer goes on")
    after = m.regs
    for name in ("ds", "es", "fs", "gs", "fs_base"):
        equal(getattr(after, name), getattr(before, name), f"{name.upper()} after {ticks} ticks")


def spin(gate: Entrance, area: bytes, state: dict[str, int]) -> int:
    """Let the program work and look at it from time to time; how often the timer came."""
    m, made = gate.m, gate.made
    first, ticks = m.session.log.total, 0
    for _ in range(MOST_SLICES):
        before = ticks
        m.memory.set_u64(made.data + AREA, LOOPS)
        m.set_regs(rip=made.at("spin"))
        m.run_to(made.at("spun"))
        events = m.events[first - m.session.log.total:] if m.session.log.total > first else []
        ticks = sum(each.vector == TIMER and each.cpl == 3 for each in events)
        compare(m, made, area, state, f"after {ticks} timer interrupts")
        if ticks >= TICKS or ticks == before:
            break
    return ticks


def compare(m: Machine, made: Made, area: bytes, state: dict[str, int], when: str) -> None:
    """All registers are as they were set."""
    regs = m.regs
    for name, value in state.items():
        equal(getattr(regs, name), value, f"the program's {name.upper()} {when}")
    equal(regs.rflags & (DF | ID), DF | ID, f"DF and ID in the program's RFLAGS {when}")
    seen = m.memory.read(made.data, AREA)
    for (name, value), (_, wanted) in zip(vectors(seen), vectors(area)):
        equal(value, wanted, f"the program's {name} {when}")
