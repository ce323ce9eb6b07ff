"""Exercises 2.1 to 2.8: functions called in the student's kernel, with the grader's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from grade.machine import Call, Machine, Value, layout
from grade.machine.frames import check_number, count_free
from grade.machine.layout import KERNEL_BASE, PAGE
from grade.outcome import Failure, Outcome, expect


UNTOUCHED = 0x5CA1AB1E_0DDBA115  # what an out-pointer points to before the call
SLOT = 8
SLOTS = 4096


def told(number: int) -> str:
    """What a function returned, for people: the error's name and its words."""
    name = layout.error_name(number)
    if not name:
        return f"{number & 0xFFFF_FFFF:#x}, which is no error of error.h"
    return name if name == "OK" else f"{name} ({layout.error_words()[name]})"


class Out:
    """As an argument: a pointer to 8 bytes where the function leaves its result."""


class OutOf(NamedTuple):
    """As an argument: what an earlier call of the same batch left in its Out."""

    call: int


OUT = Out()
Argument = Union[int, str, Out, OutOf]


class Ask(NamedTuple):
    """A call to be made."""

    function: Union[str, int]
    arguments: tuple[Argument, ...]

    def __str__(self) -> str:
        shown = ("&out" if isinstance(each, Out) else "…" if isinstance(each, OutOf) else
                 f"{each:#x}" if isinstance(each, int) else each for each in self.arguments)
        name = self.function if isinstance(self.function, str) else f"{self.function:#x}"
        return f"{name}({', '.join(shown)})"


def ask(function: Union[str, int], *arguments: Argument) -> Ask:
    return Ask(function, arguments)


class Reply(NamedTuple):
    """What came of a call: what it returned, and what it left in its Out."""

    asked: Ask
    value: int
    out: int

    @property
    def error(self) -> str:
        """The name of the error_t that was returned. An enum has 32 bits."""
        return layout.error_name(self.value) or f"{self.value & 0xFFFF_FFFF:#x}"

    @property
    def true(self) -> bool:
        """Of a function that returns bool: only the lowest byte counts."""
        return self.value & 0xFF != 0

    @property
    def touched(self) -> bool:
        return self.out != UNTOUCHED

    def demand(self, error: str = "OK", when: str = "") -> Reply:
        """Fail the check unless this error was returned."""
        if self.error != error:
            raise Failure(
                Outcome.WRONG,
                f"{self.asked} returns {told(self.value)}{and_(when)}",
                told(layout.numbers()[error]))
        return self


def and_(when: str) -> str:
    return f" {when}" if when else ""


class Kernel:
    """A kernel that stands still, and does what it is asked."""

    def __init__(self, machine: Machine) -> None:
        self.m = machine
        self.slots = machine.sym("probe_data")

    def all(self, asks: Sequence[Ask]) -> list[Reply]:
        """Make the calls, in order, and look at what came of them."""
        assert len(asks) <= SLOTS
        place = self.slots - KERNEL_BASE
        self.m.phys.write(place, UNTOUCHED.to_bytes(SLOT, "little") * len(asks))
        calls = [Call(each.function, *(self._argument(number, argument)
                                       for argument in each.arguments))
                 for number, each in enumerate(asks)]
        values = self.m.call.batch(calls)
        outs = self.m.phys.read(place, SLOT * len(asks))
        return [Reply(asked, value, int.from_bytes(outs[SLOT * i:SLOT * (i + 1)], "little"))
                for i, (asked, value) in enumerate(zip(asks, values))]

    def _argument(self, number: int, argument: Argument) -> Union[int, str, Value]:
        if isinstance(argument, Out):
            return self.slots + SLOT * number
        if isinstance(argument, OutOf):
            return Value(self.slots + SLOT * argument.call)
        return argument

    def one(self, function: Union[str, int], *arguments: Argument) -> Reply:
        return self.all([ask(function, *arguments)])[0]

    def frames_free(self) -> int:
        """The kernel's own word, which it is asked for as long as nothing depends on it."""
        return self.one("frames_free").value

    def count_free(self) -> int:
        """How many frames are free, whatever the kernel says."""
        return count_free(self.m)

    def frames(self, number: int) -> list[int]:
        """Frames for the check's own needs."""
        return [reply.demand(when="to the grader").out
                for reply in self.all([ask("frame_alloc", OUT)] * number)]

    def frame(self) -> int:
        return self.frames(1)[0]

    def root(self) -> int:
        """An empty level-4 table, in a frame of the allocator's."""
        frame = self.frame()
        self.m.phys.write(frame, bytes(PAGE))
        return frame

    def give_back(self, frames: Sequence[int]) -> None:
        for start in range(0, len(frames), SLOTS):
            for reply in self.all([ask("frame_free", each)
                                   for each in frames[start:start + SLOTS]]):
                reply.demand(when="for a frame that was handed out")

    def drain(self, keep: int = 0) -> list[int]:
        """Take all frames but `keep`, in long runs first."""
        held: list[int] = []
        size = 1 << (self.m.phys.size // PAGE // 8).bit_length() - 1
        while size:
            replies = self.all([ask("frame_alloc_run", size, OUT)] * 16)
            taken = [each.out for each in replies if each.error == "OK"]
            check_number(self.m, len(held) + size * len(taken))
            held += [first + i * PAGE for first in taken for i in range(size)]
            if len(taken) < len(replies):
                size //= 4 if size > 2 else 2
        left = self.frames_free()
        expect(left == 0, f"frames_free() is {left} when frame_alloc finds no frame any more",
               "frames_free() is 0")
        if keep:
            self.give_back(held[-keep:])
            del held[-keep:]
        return held
