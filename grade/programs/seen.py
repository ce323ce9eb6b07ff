"""What the programs of the kernel's own image really do in ring 3: which begin, and how they ask
for their end. Lines on the console could have been printed by anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from grade.machine.elf import Elf
from grade.machine.layout import SYS_exit
from grade.machine.machine import Machine
from grade.machine.symbols import Symbols
from grade.outcome import equal

CALL = "enter_kernel"  # start.asm: where each system call is made


class Program(NamedTuple):
    """A program of the image. Its system calls are made at `call`."""

    name: str
    elf: Elf
    call: int

    @property
    def code(self) -> tuple[int, bytes]:
        return next((each.va, each.data) for each in self.elf.segments if each.executable)


class Seen:
    """Looks on from now on at these programs, by name; `story` tells of each in turn."""

    def __init__(self, machine: Machine, files: Mapping[str, Path]) -> None:
        self.m = machine
        self.story: list[str] = []
        self._programs = [Program(name, Elf(file), Symbols(file)[CALL])
                          for name, file in files.items()]
        for place in {place for each in self._programs for place in (each.elf.entry_va, each.call)}:
            machine.on(place, self.look)

    def look(self) -> None:
        """Wherever the machine stands. An address that is one program's entry is another one's in
        the middle: so first, whose code is it?"""
        regs = self.m.regs
        begins = any(regs.rip == each.elf.entry_va for each in self._programs)
        if regs.cpl != 3 or not begins and regs.rax != SYS_exit:
            return
        for each in self._programs:
            va, data = each.code
            if self.m.memory.walk(va) and self.m.memory.read(va, len(data)) == data:
                if regs.rip == each.elf.entry_va:
                    self.story.append(f"{each.name} begins")
                elif regs.rip == each.call and regs.rax == SYS_exit:
                    self.story.append(f"{each.name} asks for its end with {regs.rdi}")
                return
        self.story.append("a stranger runs")

    def check(self, *wanted: str) -> None:
        """Exactly that has happened."""
        equal("; ".join(self.story), "; ".join(wanted), "what was seen of programs in ring 3")

    def check_tally(self, wanted: Mapping[str, int]) -> None:
        """That has happened, each so often, in any order: where processes take turns."""
        seen = Counter(self.story)
        for event in sorted({*wanted, *seen}):
            equal(seen[event], wanted.get(event, 0),
                  f"how often it was seen in ring 3 that {event}")
