"""Exercise 3.8: many programs in one machine. The kernel is made to begin again after each."""

from __future__ import annotations

import re
from typing import NamedTuple

from grade.lab3.kernel import Programs
from grade.machine import layout
from grade.machine.gdbremote import GENERAL
from grade.machine.intlog import Interrupt
from grade.outcome import equal, expect

NAME_LENGTH = 24  # the line in the boot information is overwritten, and keeps its length
FRAMES = re.compile(r"frames: (\d+) free before, (\d+) after")
ENDED = re.compile(r"process (\S+): (exited with status|ended by signal) (\d+)")


class Report(NamedTuple):
    """What the kernel said of one program, and what the processor did meanwhile."""

    lines: list[str]
    events: list[Interrupt]
    how: str
    number: int


class Rounds:
    """The kernel at programs_run. Each round it finds another module, and runs it to its end."""

    def __init__(self, kernel: Programs) -> None:
        self.kernel, self.m = kernel, kernel.m
        self.start = self.m.regs
        self.free = kernel.count_free()

    def begin(self, file: bytes, name: str) -> None:
        """Another module in the place of the last one; the kernel stands where it chooses it."""
        m, regs = self.m, self.start
        put = self.kernel.put(file)
        m.phys.write(self.kernel.tag + 12, (self.kernel.module + put.size).to_bytes(4, "little"))
        m.phys.write(self.kernel.tag + 16, name.ljust(NAME_LENGTH).encode())
        m.set_regs(**{each: getattr(regs, each) for each in (*GENERAL, "rip", "rflags", "cr3")})
        self.heard, self.seen = len(m.console.lines), m.session.log.total

    def finish(self, name: str, what: str) -> Report:
        """Let the program run to its end; the kernel must survive it and lose nothing."""
        m = self.m
        m.run_to("machine_exit")
        if m.regs.rdi & 0xFF != layout.EXIT_OK:
            m.run_to_exit(layout.EXIT_OK)  # fails, and explains why
        lines = m.console.lines[self.heard:]
        ended = [match for match in map(ENDED.fullmatch, lines) if match]
        equal([match[1] for match in ended], [name], f"{what}: the list of programs that ended")
        frames = [match for match in map(FRAMES.fullmatch, lines) if match]
        expect(frames, f"{what}: the kernel does not come to its end", "its last lines")
        equal(int(frames[-1][2]), self.free, f"{what}: the number of free frames afterwards")
        events = m.events
        new = events[len(events) - min(len(events), m.session.log.total - self.seen):]
        return Report(lines, new, ended[0][2], int(ended[0][3]))

    def end(self) -> None:
        """After the last program: the kernel's lines were true."""
        equal(self.kernel.count_free(), self.free, "the number of free frames after all programs")

    def run(self, file: bytes, name: str, what: str) -> Report:
        self.begin(file, name)
        return self.finish(name, what)
