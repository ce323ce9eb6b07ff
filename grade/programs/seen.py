"""What the programs of the kernel's own image really do in ring 3: which begin, and how they ask
for their end. Lines on the console could have been printed by anybody."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from grade.machine.elf import Elf
from grade.machine.machine import Machine
from grade.machine.symbols import Symbols
from grade.outcome import equal

EXIT = 60
CALL = "enter_kernel"  # start.asm: where each system call is made


class Seen:
    """Looks on from now on; `story` tells of each program in turn."""

    def __init__(self, machine: Machine, files: Iterable[Path]) -> None:
        self.m = machine
        self.story: list[str] = []
        self._code: dict[str, tuple[int, bytes]] = {}
        places = set()
        for file in files:
            elf = Elf(file)
            code = next(each for each in elf.segments if each.executable)
            self._code[file.stem] = code.va, code.data
            places |= {(elf.entry_va, False), (Symbols(file)[CALL], True)}
        for place, call in places:
            machine.on(place, lambda call=call: self._look(call))  # type: ignore[misc]

    def _look(self, call: bool) -> None:
        regs = self.m.regs
        if regs.cpl != 3 or (call and regs.rax != EXIT):
            return
        name = next((name for name, (va, data) in self._code.items()
                     if self.m.walk(va) and self.m.read(va, len(data)) == data), "a stranger")
        self.story.append(f"{name} asks for its end with {regs.rdi}" if call else
                          f"{name} begins")

    def check(self, *wanted: str) -> None:
        """Exactly that has happened."""
        equal(self.story, list(wanted), "what was seen of programs in ring 3")
