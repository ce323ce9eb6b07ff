"""Registers to plant and to compare, the kernel's frame of them, and small services of a kernel."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from grade.lab import Lab
from grade.machine import Machine, MemoryArea, Registers
from grade.machine.layout import shared_numbers
from grade.outcome import Failure, Outcome, equal, show

NUMBERS = shared_numbers()
PAGE, KERNEL_BASE, WINDOW = (NUMBERS[name] for name in ("PAGE_SIZE", "KERNEL_BASE", "WINDOW_BASE"))
USER_END, USER_CS, USER_SS = (NUMBERS[name] for name in ("USER_END", "USER_CS", "USER_SS"))
KERNEL_CS, KERNEL_SS = NUMBERS["SELECTOR_KERNEL_CODE"], NUMBERS["SELECTOR_KERNEL_DATA"]
SHADOW, PERCPU = NUMBERS["SHADOW_BIT"], NUMBERS["ENTRY_PERCPU"]
KERNEL_RSP = PERCPU + NUMBERS["PERCPU_KERNEL_RSP"]

GENERAL = ("r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
           "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax")
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
ALL = (*GENERAL, "rsp", "rip", "rflags")
TRAP_FRAME = (*GENERAL, "vector", "error", "rip", "cs", "rflags", "rsp", "ss")  # trap.h
FRAME_SIZE = 8 * len(TRAP_FRAME)

FIXED, IF, DF, RF, AC, ID = (1 << bit for bit in (1, 9, 10, 16, 18, 21))
ARITHMETIC = tuple(1 << bit for bit in (0, 2, 4, 6, 7, 11))
ERRORS = re.compile(r'^    X\((\w+), "[^"]*"\)', re.M)
ERROR_FILE = Path(__file__).resolve().parents[2] / "common" / "include" / "error.h"

MEMORY = (MemoryArea(0, 0x9F000), MemoryArea(1 << 20, 0x3E00000))  # whole pages, as lab 2 wants

State = dict[str, int]


def boot(lab: Lab, cmdline: str = "pti=on", **options: Any) -> Machine:
    """A machine about to enter the kernel."""
    return lab.boot(cmdline=cmdline, memory_map=MEMORY, **options)


def error_number(name: str) -> int:
    """The number of an error: its place in error.h."""
    return ERRORS.findall(ERROR_FILE.read_text()).index(name)


def random_registers(rng: Random) -> State:
    """A value of its own for each general register but RSP."""
    return {name: rng.getrandbits(64) for name in GENERAL}


def random_flags(rng: Random, *others: int) -> int:
    """RFLAGS with interrupts off; the arithmetic flags, and those named, by chance."""
    return FIXED | sum(flag for flag in (*ARITHMETIC, *others) if rng.random() < 0.5)


def user_base(rng: Random) -> int:
    """A GS base that a program may have: often at an edge."""
    return rng.choice((0, 1, USER_END - 1, 1 << 46, rng.randrange(USER_END)))


def values(regs: Registers, names: Iterable[str] = ALL) -> State:
    """Registers by name, as they can be compared, and set again."""
    return {name: getattr(regs, name) for name in names}


def compare(seen: Mapping[str, int], expected: Mapping[str, int], what: str) -> None:
    """Fail at the first register that differs; RF is the processor's own affair."""
    for name, value in expected.items():
        ignored = RF if name == "rflags" else 0
        if seen[name] & ~ignored == value & ~ignored:
            continue
        owner = next((other for other, its in expected.items()
                      if other != name and its == seen[name] and its > 0xFFFF), None)
        confused = f", which is the value of {owner}" if owner else ""
        raise Failure(Outcome.WRONG, f"{what}: {name} is {show(seen[name])}{confused}",
                      f"{name} is {show(value)}")


def read_frame(machine: Machine, address: int) -> State:
    """struct trap_frame in memory, by the names of its fields."""
    return dict(zip(TRAP_FRAME, struct.unpack("<22Q", machine.read(address, FRAME_SIZE))))


def write_words(machine: Machine, address: int, words: Iterable[int]) -> None:
    machine.write(address, b"".join(struct.pack("<Q", word) for word in words))


def give_back(machine: Machine, rng: Random) -> None:
    """Do at a function's first instruction what a C function may do: use up the registers that
    are its to use, and return."""
    regs = machine.regs
    machine.set_regs(**{name: rng.getrandbits(64) for name in CALLER_SAVED},
                     rip=machine.u64(regs.rsp), rsp=regs.rsp + 8)


def leave(machine: Machine, result: int) -> None:
    """At a function's first instruction: return, and nothing is done."""
    regs = machine.regs
    machine.set_regs(rip=machine.u64(regs.rsp), rsp=regs.rsp + 8, rax=result)


def call_out(machine: Machine, function: str, *arguments: int) -> tuple[int, int]:
    """Call a function whose last argument points to its result: the error, and the result."""
    place = machine.regs.rsp - 128  # machine.call leaves 256 bytes alone
    error = machine.call(function, *arguments, place) & 0xFFFF_FFFF
    return error, machine.u64(place)


def demand(machine: Machine, function: str, *arguments: int) -> int:
    """The result of a function of which no error is to be expected."""
    error, result = call_out(machine, function, *arguments)
    equal(error, 0, f"what {function} returns")
    return result


def is_true(result: int) -> bool:
    """Of a function that returns bool only the lowest byte counts."""
    return result & 0xFF != 0


def kernel_root(machine: Machine) -> int:
    return machine.phys.u64(machine.sym("kernel_root") - KERNEL_BASE)
