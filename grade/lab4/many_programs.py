"""Exercise 4.3: a hundred small programs, one after the other, each with an end of its own."""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from grade.machine import Machine, Module
from grade.machine.layout import PAGE, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SYS_exit
from grade.machine.paging import ADDRESS, HALF, PRESENT
from grade.machine.state import variable
from grade.outcome import equal, expect
from grade.programs.image import Image, Segment, assemble

FAULTS = {"ud2": SIGILL, "int3": SIGTRAP, "hlt": SIGSEGV, "xor ecx, ecx\n div ecx": SIGFPE,
          "int 0x21": SIGSEGV, "bts rax, 63\n mov rax, [rax]": SIGSEGV}
# mov eax, SYS_exit; mov edi, ____; int 0x80
EXIT = b"\xb8" + SYS_exit.to_bytes(4, "little") + b"\xbf____\xcd\x80"


class Small(NamedTuple):
    """A program, and what the kernel must say of its end."""

    module: Module
    line: re.Pattern[str]


def small(rng: Random, number: int) -> Small:
    """One that exits, one that faults, or one that cannot be started."""
    base, name = rng.randrange(0x100, 1 << 34) * PAGE, f"p{number}"
    kind, status = rng.random(), rng.randrange(256)
    if kind < 0.1:
        return Small(Module(rng.randbytes(200), name),
                     re.compile(rf"process {name}: cannot be started: .*"))
    fault = rng.choice(list(FAULTS)) if kind < 0.4 else ""
    end = f"ended by signal {FAULTS[fault]}" if fault else f"exited with status {status}"
    leave = EXIT.replace(b"____", (status | rng.getrandbits(24) << 8).to_bytes(4, "little"))
    code = assemble(fault).bytes if fault else leave
    return Small(Module(Image(base, [Segment(base, code)]).bytes(), name),
                 re.compile(rf"process \d+ {name}: {end}"))


def upper_half(machine: Machine, root: int) -> list[int]:
    """The tables that a level-4 table's kernel half leads to; 0 where there is none."""
    return [entry & ADDRESS if entry & PRESENT else 0
            for entry in machine.phys.table(root & ADDRESS)[HALF:]]


def check_shared(machine: Machine) -> None:
    """Every address space sees the kernel through the same tables as the kernel itself."""
    kernels = upper_half(machine, variable(machine, "kernel_root"))
    programs = upper_half(machine, machine.regs.r8)
    for slot, (own, shared) in enumerate(zip(programs, kernels), start=HALF):
        expect(shared, f"entry {slot} of the kernel's level-4 table leads to no table",
               "each entry of its upper half does before the first program is made")
        equal(own, shared, f"where entry {slot} of a new program's level-4 table leads")
