"""Processor states: random ones to plant, the frames in which a kernel keeps them, and what its
functions do with both."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from random import Random
from typing import NamedTuple

from grade.machine import layout
from grade.machine.gdbremote import Registers
from grade.machine.layout import KERNEL_BASE, USER_END
from grade.machine.machine import Machine
from grade.machine.paging import Translation
from grade.machine.structures import Structure, structure
from grade.outcome import Failure, Outcome, show

KERNEL_CS, KERNEL_SS = layout.SELECTOR_KERNEL_CODE, layout.SELECTOR_KERNEL_DATA

GENERAL = ("r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
           "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax")
ALL = (*GENERAL, "rsp", "rip", "rflags")
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
CALLEE_SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")  # of a system call

RESTORED = (*GENERAL, "rip", "cs", "rflags", "rsp", "ss")  # from a struct trap_frame, at the return

# Vectors with a stack of their own, by what layout.h calls it: IST_DEBUG, ENTRY_DEBUG_TOP.
OWN_STACK = {layout.VECTOR_DB: "DEBUG", layout.VECTOR_NMI: "NMI",
             layout.VECTOR_DF: "DOUBLE_FAULT", layout.VECTOR_MC: "MACHINE_CHECK"}
IST = {vector: layout.numbers()[f"IST_{name}"] for vector, name in OWN_STACK.items()}

TSS_IST1 = 36  # offset in the TSS (SDM vol. 3A figure 7-11)

WITH_ERROR_CODE = (8, 10, 11, 12, 13, 14, 17, 21, 29, 30)  # SDM vol. 3A table 6-1, APM vol. 2 8-1

CF, FIXED, TF, IF, DF = (layout.RFLAGS_CF, layout.RFLAGS_FIXED, layout.RFLAGS_TF,
                         layout.RFLAGS_IF, layout.RFLAGS_DF)
IOPL, NT, RF, AC, ID = (layout.RFLAGS_IOPL, layout.RFLAGS_NT, layout.RFLAGS_RF,
                        layout.RFLAGS_AC, layout.RFLAGS_ID)
PF, AF, ZF, SF, OF = (1 << bit for bit in (2, 4, 6, 7, 11))  # a kernel has no need of them
ARITHMETIC = (CF, PF, AF, ZF, SF, OF)
NAMED_FLAGS = {TF: "TF (single step)", IF: "IF (interrupts)", DF: "DF (direction)",
               IOPL: "IOPL", NT: "NT (nested task)", AC: "AC (suspends SMAP)", ID: "ID"}

State = dict[str, int]


class Frame(NamedTuple):
    """A structure in which a kernel keeps registers: where it is declared (structures.py), and the
    fields that it must have, in any order."""

    name: str
    unit: str
    fields: tuple[str, ...]


TRAP_FRAME = Frame("trap_frame", "trap.c", (*RESTORED, "vector", "error"))
SYSCALL_FRAME = Frame("syscall_frame", "syscall_setup.c", (*GENERAL, "rsp"))
FORK_REGISTERS = Frame("fork_child_registers", "fork.c", ALL)


def random_registers(rng: Random) -> State:
    """A value of its own for each general register but RSP."""
    return {name: rng.getrandbits(64) for name in GENERAL}


def random_flags(rng: Random, *others: int) -> int:
    """RFLAGS with interrupts off; the arithmetic flags, and those named, by chance."""
    return FIXED | sum(flag for flag in (*ARITHMETIC, *others) if rng.random() < 0.5)


def user_base(rng: Random) -> int:
    """A GS or FS base that a program may have: often at an edge."""
    return rng.choice((0, 1, USER_END - 1, 1 << 46, rng.randrange(USER_END),
                       rng.randrange(USER_END)))


def values(regs: Registers, names: Iterable[str] = ALL) -> State:
    """Registers by name, as they can be compared, and set again."""
    return {name: getattr(regs, name) for name in names}


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


def frame_layout(machine: Machine, frame: Frame = TRAP_FRAME) -> Structure:
    """The frame as the kernel's compiler has laid it out."""
    found = structure(machine.kernel, frame.name, frame.unit)
    for name in frame.fields:
        if name not in found.fields:
            raise Failure(Outcome.WRONG, f"struct {frame.name} has no field {name}",
                          f"the lab's struct {frame.name}")
    return found


def frame_size(machine: Machine, frame: Frame = TRAP_FRAME) -> int:
    return frame_layout(machine, frame).size


def read_frame(machine: Machine, address: int, frame: Frame = TRAP_FRAME) -> State:
    """A frame in memory, by the names of its fields."""
    size, fields = frame_layout(machine, frame)
    data = machine.memory.read(address, size)
    return {name: int.from_bytes(data[each.offset:each.offset + each.size], "little")
            for name, each in fields.items() if name in frame.fields}


def write_frame(machine: Machine, address: int, state: State, frame: Frame = TRAP_FRAME) -> None:
    """Write those of its fields that `state` names."""
    fields = frame_layout(machine, frame).fields
    for name in frame.fields:
        if name in state:
            each = fields[name]
            machine.memory.write(address + each.offset, state[name].to_bytes(each.size, "little"))


def mapped(machine: Machine, va: int, root: int | None = None) -> Translation:
    """Where a page is, that must be mapped."""
    found = machine.memory.walk(va, root)
    if found is None:
        raise Failure(Outcome.WRONG, f"{va:#x} is not mapped", "it is, by what was done before")
    return found


def ist_top(machine: Machine, vector: int, tss: int | None = None) -> int:
    """Where RSP begins for a vector with a stack of its own, as the TSS has it."""
    start = machine.sym("cpu_tss") if tss is None else tss
    return machine.memory.u64(start + TSS_IST1 + 8 * (IST[vector] - 1))


def write_words(machine: Machine, address: int, words: Iterable[int]) -> None:
    """64-bit words, such as the processor pushes."""
    machine.memory.write(address, b"".join(struct.pack("<Q", word) for word in words))


def give_back(machine: Machine, rng: Random, **result: int) -> None:
    """Do at a function's first instruction what a C function may do: use up the registers that
    are its to use, and return."""
    regs = machine.regs
    machine.set_regs(**{**{name: rng.getrandbits(64) for name in CALLER_SAVED}, **result},
                     rip=machine.memory.u64(regs.rsp), rsp=regs.rsp + 8)


def leave(machine: Machine, result: int) -> None:
    """At a function's first instruction: return, and nothing is done."""
    regs = machine.regs
    machine.set_regs(rip=machine.memory.u64(regs.rsp), rsp=regs.rsp + 8, rax=result)


def come_back_changed(machine: Machine, rng: Random, where: str, **changes: int) -> None:
    """Let trap() change its frame, all but the ring, and return: the processor is as it says."""
    address = machine.regs.rdi
    wanted = {**read_frame(machine, address), **random_registers(rng),
              "rflags": random_flags(rng, DF, ID), **changes}
    write_frame(machine, address, wanted)
    give_back(machine, rng)
    machine.run_to(wanted["rip"])
    compare(values(machine.regs, RESTORED), {name: wanted[name] for name in RESTORED}, where)


NMI_TRIES = 8
PROCESSOR = (*ALL, "cs", "ss", "cr3", "fs_base", "gs_base", "k_gs_base")


def nmi_here(machine: Machine, rng: Random) -> None:
    """Let an NMI come before the next instruction, and come to trap(). It is told to a processor
    that runs in a thread of its own, and a few instructions may be quicker: then these are undone
    by doing them again, and so is the NMI."""
    before = machine.regs
    for _ in range(NMI_TRIES):
        machine.nmi()
        machine.run_to("trap")
        struck = machine.events[-1].ip
        if struck == before.rip:
            return
        give_back(machine, rng)
        machine.run_to(struck)
        machine.set_regs(**values(before, PROCESSOR))


def variable(machine: Machine, name: str, offset: int = 0) -> int:
    """A 64-bit variable of the kernel's image."""
    return machine.phys.u64(machine.sym(name) + offset - KERNEL_BASE)


def assign(machine: Machine, name: str, value: int, offset: int = 0) -> None:
    """Write a 64-bit variable of the kernel's image."""
    machine.phys.set_u64(machine.sym(name) + offset - KERNEL_BASE, value)


def flags_clear(regs: Registers, flags: Iterable[int], where: str, hint: str = "") -> None:
    """These flags are 0."""
    for flag in flags:
        if regs.rflags & flag:
            raise Failure(Outcome.WRONG, f"{where}: {NAMED_FLAGS[flag]} is set, RFLAGS is "
                          f"{regs.rflags:#x}", f"{NAMED_FLAGS[flag]} is 0", hint)
