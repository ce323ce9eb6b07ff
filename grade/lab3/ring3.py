"""Exercises 3.1, 3.4 and 3.5: code of the grader's in ring 3, without the student's help."""

from __future__ import annotations

from random import Random

from grade.lab3.kernel import FRAME, STACK_TOP, Programs
from grade.machine import layout
from grade.machine.layout import PAGE, USER_CS, USER_SS
from grade.machine.state import FIXED, write_words

IRETQ = b"\x48\xcf"
RSP0 = layout.TSS_RSP0


class Visitor:
    """An address space with one page of code, and a way in by an IRETQ that is not the student's.

    Unless a check says otherwise, an interrupt finds a stack of the grader's, by TSS.rsp0."""

    def __init__(self, kernel: Programs, rng: Random, code: bytes, root: int | None = None) -> None:
        self.kernel, self.m = kernel, kernel.m
        self.root = kernel.space() if root is None else root
        self.code = rng.randrange(1, 1 << 34) * PAGE
        kernel.page(self.root, self.code, code)
        self.stack_top = kernel.slots + STACK_TOP
        self.set_rsp0(self.stack_top)
        self.m.memory.poke_code(self.m.sym("kmain"), IRETQ)  # kmain never goes back there

    def set_rsp0(self, top: int) -> None:
        self.m.memory.set_u64(self.m.system.tr.base + RSP0, top)

    def enter(self, offset: int = 0, *, rsp: int = 0, flags: int = FIXED,
              **registers: int) -> None:
        """Be in ring 3, at an offset in the code. The machine must stand in ring 0."""
        frame = self.kernel.slots + FRAME
        write_words(self.m, frame, (self.code + offset, USER_CS, flags, rsp, USER_SS))
        self.m.set_regs(rip=self.m.sym("kmain"), rsp=frame, cr3=self.root, **registers)
        self.m.step()
