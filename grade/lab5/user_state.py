"""Exercise 5.3: what belongs to ring 3 and is in no register that the kernel uses: FPU, SSE, bases,
selectors."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from random import Random

from grade.lab5.processes import OFF, Family, Process
from grade.machine.layout import USER_SS
from grade.machine.state import KERNEL_SS, compare, user_base
from grade.outcome import equal
from grade.programs.image import assemble

FPU = 512  # bytes of FXSAVE's image
MASKS = 0x1F80  # of MXCSR: all exceptions masked
SELECTORS = ("ds", "es", "fs", "gs")
BASES = ("fs_base", "gs_base")
# FXSAVE's image (SDM vol. 1 table 10-2), but for the address of the last x87 instruction.
PARTS = {"the x87 control word": (0, 2), "the x87 status word": (2, 4), "the x87 tags": (4, 5),
         "MXCSR": (24, 28), **{f"ST{i}": (32 + 16 * i, 42 + 16 * i) for i in range(8)},
         **{f"XMM{i}": (160 + 16 * i, 176 + 16 * i) for i in range(16)}}


@dataclass
class UserState:
    """One program's, as struct user_state has it."""

    fpu: bytes
    numbers: dict[str, int]  # BASES and SELECTORS

    def check(self, seen: UserState, where: str, hint: str = "") -> None:
        """Fail at the first part that differs."""
        for name, (start, end) in PARTS.items():
            equal(seen.fpu[start:end].hex(), self.fpu[start:end].hex(), f"{where}: {name}", hint)
        compare(seen.numbers, self.numbers, where, hint)


def random_state(rng: Random) -> UserState:
    """As a program can have it. A selector is null or the data segment's: Rung has no other. (Null
    has three more spellings, but IRET makes 0 of them.)"""
    image = bytearray(FPU)
    struct.pack_into("<HHB", image, 0, 0x37F & ~(rng.randrange(4) << 8) ^ rng.randrange(4) << 10,
                     rng.randrange(8) << 11, 0xFF)
    struct.pack_into("<I", image, 24, MASKS | rng.randrange(4) << 13 | rng.randrange(64))
    for i in range(8):
        image[32 + 16 * i:42 + 16 * i] = rng.randbytes(7) + struct.pack("<BH", 0x80, 0x3FFF + i)
    image[160:416] = rng.randbytes(256)
    numbers = {name: user_base(rng) for name in BASES}
    numbers.update({name: rng.choice((0, USER_SS)) for name in SELECTORS})
    return UserState(bytes(image), numbers)


def take_on(family: Family, state: UserState) -> None:
    """Have this state in ring 3: the program loads what must be loaded by an instruction."""
    f, data = family, family.program.data
    moves = "\n".join(f"mov eax, {state.numbers[name]}\n mov {name}, eax" for name in SELECTORS)
    run(f, f"fxrstor64 [rdi]\n{moves}", state.fpu)
    f.m.set_regs(**{name: state.numbers[name] for name in BASES})
    assert f.m.regs.rdi == data


def run(family: Family, text: str, memory: bytes) -> None:
    """Execute a piece of code in ring 3, with RDI at `memory` in the program's data."""
    f, data = family, family.program.data
    code = assemble(f"{text}\ndone: jmp done", f.program.spare, ["done"])
    f.m.memory.write(data, memory)
    f.m.memory.poke_code(f.program.spare, code.bytes)
    f.plant(rip=f.program.spare, rdi=data, rflags=OFF)
    f.come_back(code.labels["done"], "a piece of code")


def seen_in_ring_3(family: Family) -> UserState:
    """What the program has now."""
    regs = family.m.regs
    numbers = {name: getattr(regs, name) for name in (*BASES, *SELECTORS)}
    run(family, "fxsave64 [rdi]", bytes(FPU))
    return UserState(family.m.memory.read(family.program.data, FPU), numbers)


def kept(process: Process) -> UserState:
    """What struct process has."""
    numbers = {name: process.get(f"user.{name}") for name in (*BASES, *SELECTORS)}
    return UserState(process.data("user.fpu"), numbers)


def keep(process: Process, state: UserState) -> None:
    """Write it there."""
    process.put("user.fpu", state.fpu)
    for name, value in state.numbers.items():
        process.put(f"user.{name}", value)


def check_kernels_gs(family: Family, where: str) -> None:
    """GS_BASE is &percpu in the kernel, always."""
    equal(family.m.regs.gs_base, family.m.sym("percpu"), f"GS_BASE in the kernel {where}",
          "a null selector loaded into GS clears GS_BASE: SWAPGS before it and behind it")


def disturb(family: Family) -> None:
    """In the kernel: let the selectors and bases be others than the program's."""
    family.m.set_regs(ds=KERNEL_SS, es=KERNEL_SS, fs_base=user_base(family.rng),
                      k_gs_base=user_base(family.rng))


def check_saved(family: Family) -> None:
    """save_user_state keeps what ring 3 has, and changes nothing."""
    f, own, wanted = family, family.parent, random_state(family.rng)
    take_on(f, wanted)
    f.into_kernel(rflags=OFF)
    own.put("user.fpu", b"\xee" * FPU)
    f.m.call("save_user_state", own.place("user"))
    wanted.check(kept(own), "struct user_state after save_user_state",
                 "the program's GS base is in KERNEL_GS_BASE while the kernel runs")
    check_kernels_gs(f, "after save_user_state")
    f.back()
    wanted.check(seen_in_ring_3(f), "in ring 3 after save_user_state")


def check_loaded(family: Family) -> None:
    """load_user_state brings a state to ring 3, whatever was there."""
    f, own, wanted = family, family.parent, random_state(family.rng)
    take_on(f, random_state(f.rng))
    f.into_kernel(rflags=OFF)
    keep(own, wanted)
    f.m.call("load_user_state", own.place("user"))
    check_kernels_gs(f, "after load_user_state")
    f.back()
    wanted.check(seen_in_ring_3(f), "in ring 3 after load_user_state",
                 "selectors first, bases afterwards: to load a selector changes the base")


def check_inherited(family: Family) -> None:
    """A child has what its parent has at the fork, not what it had at some switch before."""
    f, wanted = family, random_state(family.rng)
    keep(f.parent, random_state(f.rng))
    take_on(f, wanted)
    f.into_kernel(rflags=OFF)
    child = f.fork()
    wanted.check(kept(child), "the child's struct user_state after fork")
    f.back()
    wanted.check(seen_in_ring_3(f), "the parent, in ring 3 after fork")
