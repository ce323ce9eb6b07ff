"""Calls of the kernel's functions, made from wherever the machine stands in the kernel: `m.call`.

    m.call("frames_free")                    what it returns
    m.call.error("frame_free", frame)        the name of the error_t that it returns
    m.call.out("frame_alloc")                that, and what it left where its last argument points
    m.call.result("frame_alloc")             what it left there; an error is a Failure
    m.call.truth("is_canonical", va)         what it returns, a bool
    m.call.batch([Call("f", 1), ...])        thousands at a time, by the probe in the kernel
    m.call.attempt("f", va)                  may fault: the exception, or None
    begun = m.call.begin("f"); ...; m.call.end(begun)    stop in between wherever one likes

The registers are put back afterwards; what the function did to memory and control registers stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Union

from grade.machine import layout, paging, probe
from grade.machine.gdbremote import GENERAL, Registers
from grade.machine.intlog import Interrupt
from grade.machine.layout import RFLAGS_DF, WORD
from grade.machine.probe import Call
from grade.machine.session import Limits
from grade.outcome import Failure, Outcome, equal

if TYPE_CHECKING:
    from grade.machine.machine import Machine

RED_ZONE = 256  # bytes below RSP that may be in use, and are left alone
OUT = 128  # of them, where a result goes
LANDING = "kernel_ready"  # to which calls return: where the kernel stands once, if ever
ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")  # of a C function (psABI 3.2.3)
RESTORED = (*GENERAL, "rip", "rflags")

Place = Union[str, int]


class Calls:
    """Those of one machine. Each takes a function by name or address, and up to six arguments."""

    def __init__(self, machine: Machine) -> None:
        self.m = machine

    def __call__(self, function: Place, *arguments: int, limits: Limits | None = None) -> int:
        """Call it; RAX."""
        return self.end(self.begin(function, *arguments), function, limits=limits).rax

    def begin(self, function: Place, *arguments: int, **others: int) -> Registers:
        """Be at its first instruction; for end: the registers where the machine stood."""
        self._demand(function)
        return self._enter(function, *arguments, **others)

    def end(self, before: Registers, function: Place = "the function",
            limits: Limits | None = None) -> Registers:
        """Let it return, and be where the machine stood; the registers that it left."""
        self.m.run_to(LANDING, limits=limits, goal=f"{name_of(function)} returns")
        after = self.m.regs
        equal(after.rsp, self._stack(before) + 8, f"RSP when {name_of(function)} has returned")
        self._restore(before)
        return after

    def error(self, function: Place, *arguments: int) -> str:
        """Call one that returns an error_t; its name."""
        number = self(function, *arguments)
        return layout.error_name(number) or f"error {number & 0xFFFF_FFFF}"

    def out(self, function: Place, *arguments: int) -> tuple[str, int]:
        """The same, of one whose last argument points to its result; and the result."""
        place = self.m.regs.rsp - OUT
        return self.error(function, *arguments, place), self.m.memory.u64(place)

    def result(self, function: Place, *arguments: int) -> int:
        """The result alone, where no error is to be expected."""
        error, result = self.out(function, *arguments)
        equal(error, "OK", f"what {name_of(function)} returns")
        return result

    def truth(self, function: Place, *arguments: int) -> bool:
        """Call one that returns bool: only the lowest byte counts."""
        return self(function, *arguments) & 0xFF != 0

    def attempt(self, function: Place, *arguments: int) -> Interrupt | None:
        """Call one that may well fault: the exception, or None. Either way the machine stands
        where it stood."""
        before = self._enter(function, *arguments)
        arrived = self.m.run_to("trap", LANDING)
        fault = self.m.newest_event if arrived == self.m.sym("trap") else None
        self._restore(before)
        return fault

    def batch(self, calls: Sequence[Call], limits: Limits | None = None) -> list[int]:
        """Make many calls inside the kernel, by the probe that is linked to it; their results."""
        symbol = self.m.symbols.symbol("probe_calls")
        room = symbol.size // probe.RECORD.size
        done: list[int] = []
        for start in range(0, len(calls), room):
            part = calls[start:start + room]
            self.m.memory.write(symbol.address, probe.encode(part, self.m.sym, symbol.address,
                                                             list(done)))
            self.m.memory.set_u64(self.m.sym("probe_count"), len(part))
            self._run_probe(limits)
            done += probe.results(self.m.memory.read(symbol.address, len(part) * probe.RECORD.size))
        return done

    def _run_probe(self, limits: Limits | None) -> None:
        self._demand("probe_run")
        before = self._enter("probe_run")
        self.m.run_to("probe_done", limits=limits)
        self._restore(before)

    def _enter(self, function: Place, *arguments: int, **others: int) -> Registers:
        """Be at the first instruction; the registers before."""
        before = self.m.regs
        stack = self._stack(before)
        self.m.memory.set_u64(stack, self.m.sym(LANDING))
        self.m.set_regs(rsp=stack, rip=self.m.sym(function), rflags=before.rflags & ~RFLAGS_DF,
                        **dict(zip(ARGUMENTS, (each % WORD for each in arguments))), **others)
        return before

    def _demand(self, function: Place) -> None:
        """It can be called here. In ring 3, or on page tables without the kernel, the call would
        never return."""
        regs, address = self.m.regs, self.m.sym(function)
        if regs.cpl:
            raise Failure(Outcome.WRONG, f"the machine is in ring {regs.cpl}, at {regs.rip:#x}",
                          f"it is in the kernel, where {name_of(function)} can be called")
        if regs.cr0 >> 31 and not self.m.memory.walk(address, regs.cr3):
            raise Failure(Outcome.WRONG, paging.explain(self.m.phys, regs.cr3, address),
                          f"{name_of(function)} is mapped where it is to be called")

    @staticmethod
    def _stack(before: Registers) -> int:
        """RSP at the function's first instruction: a multiple of 16 before the call."""
        return (before.rsp - RED_ZONE & -16) - 8

    def _restore(self, before: Registers) -> None:
        changed = self.m.regs
        self.m.set_regs(**{name: getattr(before, name) for name in RESTORED
                           if getattr(before, name) != getattr(changed, name)})


def name_of(place: Place) -> str:
    """A function or another place, for people."""
    return place if isinstance(place, str) else f"{place:#x}"
