"""The warden, a first process for labs 5 and 6: it runs the programs as its children.

How each of them ended is what wait4 told the warden, read out of its memory; what they wrote lies
between the lines that it writes, which nobody can guess."""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable, Iterator, Sequence
from random import Random

from grade.machine.elf import Elf
from grade.machine.machine import Module
from grade.outcome import Failure, Outcome
from grade.programs.broken import broken_files
from grade.programs.suite import BUILT, Run

PLAN = b"the plan\n"  # warden.c has it where the plan must go
NOT_STARTED = 64  # the signal by which warden.c says it
FATE = struct.Struct("<iii")  # its struct fate


class Warden:
    """One boot's programs, each under a name that nobody can guess."""

    def __init__(self, runs: Sequence[Run], rng: Random, int80: bool) -> None:
        self.runs = runs
        self.line = f"{rng.getrandbits(64):x}\n"
        self._int80 = int80
        self._elf = Elf(BUILT / ("warden-int80.elf" if int80 else "warden.elf"))
        self._places = {each.name: each for each in self._elf.symbols}
        self._names = {run.name: f"{run.name}.{rng.getrandbits(32):08x}" for run in runs}
        self._fates: list[tuple[int, int, int]] = []

    def name(self, run: Run) -> str:
        return self._names[run.name]

    @property
    def modules(self) -> list[Module]:
        """The warden first, then every program once, and the files that are none."""
        files = {self.name(run): run.int80 if self._int80 else run.elf for run in self.runs}
        return [Module(self._with_plan(), "warden"),
                *(Module(file.read_bytes(), name) for name, file in files.items()),
                *(Module(data, name) for name, data in broken_files().items())]

    def _with_plan(self) -> bytes:
        data = self._elf.bytes
        lines = "".join(" ".join((self.name(run), *run.arguments)) + "\n" for run in self.runs)
        plan = self.line.encode() + lines.encode()
        start = data.index(PLAN)
        assert len(plan) < self._places["plan"].size
        assert len(self.runs) * FATE.size <= self._places["fates"].size
        return data[:start] + plan + data[start + len(plan):]

    @property
    def all_have_ended(self) -> int:
        """Where its memory is to be read, before it ends too."""
        return self._places["all_have_ended"].address

    def look(self, read: Callable[[int, int], bytes]) -> None:
        """Read its memory, by address and size."""
        found = read(self._places["fates"].address, FATE.size * len(self.runs))
        self._fates = [(forked, waited, status)
                       for forked, waited, status in FATE.iter_unpack(found)]

    def seen(self, text: str) -> Iterator[tuple[Run, str, str]]:
        """Each run, with what was printed in its time, and how it ended."""
        parts = text.split(self.line)[1:-1]
        if not self._fates or len(parts) != len(self.runs):
            raise Failure(Outcome.WRONG, f"the first process, which is to run {len(self.runs)} "
                          f"programs, has run {len(parts)}", "each of them is run once")
        for run, part, (forked, waited, status) in zip(self.runs, parts, self._fates):
            if forked <= 0 or waited != forked:
                raise Failure(Outcome.WRONG, f"fork said {forked}, and wait4 never said that "
                              "this child has ended", f"{run.title} runs and ends",
                              details=[f"wait4 said {waited}"])
            yield run, part, words(status)

    def whose_turn(self, text: str) -> str:
        """Which program a kernel that did not survive has died of."""
        started = text.count(self.line)
        if started == 0:
            return "no program had begun"
        if started > len(self.runs):
            return "all programs had ended"
        return f"the program was {self.runs[started - 1].title}"


def words(status: int) -> str:
    """What wait4 says, in the words of a Fate."""
    number = status & 0x7F
    if number == NOT_STARTED:
        return "not started"
    if number and status == number and number in set(signal.Signals):
        return signal.Signals(number).name
    return f"exit {status >> 8}" if status == status & 0xFF00 else f"the status {status:#x}"
