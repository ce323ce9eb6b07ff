"""The trap frame in memory, and random processor states that must be found in it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from random import Random

from grade.machine import Machine, Registers
from grade.outcome import Failure, Outcome, show

GENERAL = ("r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
           "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax")
FRAME = (*GENERAL, "vector", "error", "rip", "cs", "rflags", "rsp", "ss")
FRAME_SIZE = 8 * len(FRAME)
LAYOUT = struct.Struct(f"<{len(FRAME)}Q")
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")

CF, PF, AF, ZF, SF, TF, DF, OF = (1 << bit for bit in (0, 2, 4, 6, 7, 8, 10, 11))
FIXED, IF, RF, ID = 1 << 1, 1 << 9, 1 << 16, 1 << 21
HARMLESS = (CF, PF, AF, ZF, SF, DF, OF, ID)

Frame = dict[str, int]


def read_frame(machine: Machine, address: int) -> Frame:
    """The struct trap_frame at a virtual address."""
    return dict(zip(FRAME, LAYOUT.unpack(machine.read(address, FRAME_SIZE))))


def write_frame(machine: Machine, address: int, frame: Mapping[str, int]) -> None:
    machine.write(address, LAYOUT.pack(*(frame[name] for name in FRAME)))


def random_registers(rng: Random) -> Frame:
    """A value of its own for each general register but RSP."""
    return {name: rng.getrandbits(64) for name in GENERAL}


def random_flags(rng: Random) -> int:
    """RFLAGS with interrupts off; one time in two the direction flag is set."""
    return FIXED | sum(flag for flag in HARMLESS if rng.random() < 0.5)


def compare(seen: Mapping[str, int], expected: Mapping[str, int], what: str,
            hint: str = "") -> None:
    """Fail at the first register that differs; RF is the processor's own affair."""
    for name, value in expected.items():
        ignored = RF if name == "rflags" else 0
        if seen[name] & ~ignored == value & ~ignored:
            continue
        owner = next((other for other, its in expected.items()
                      if other != name and its == seen[name] and its > 0xFFFF), None)
        confused = f", which is the value of {owner}" if owner else ""
        raise Failure(Outcome.WRONG, f"{what}: {name} is {show(seen[name])}{confused}",
                      f"{name} is {show(value)}", hint)


def registers(regs: Registers) -> Frame:
    """The registers of a stopped machine by the names of the frame's fields."""
    return {name: getattr(regs, name) for name in FRAME if name not in ("vector", "error")}


def return_from_trap(machine: Machine, rng: Random) -> None:
    """Do at trap() what a C function does: use up the registers that are its to use, and return."""
    regs = machine.regs
    machine.set_regs(**{name: rng.getrandbits(64) for name in CALLER_SAVED},
                     rip=machine.u64(regs.rsp), rsp=regs.rsp + 8)
