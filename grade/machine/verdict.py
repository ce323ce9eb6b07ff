"""Decides in which class a run falls that did not come where it should: in one function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grade.machine import forensics, layout
from grade.machine.layout import RFLAGS_IF
from grade.machine.session import Ending, Stop
from grade.outcome import Failure, Outcome

if TYPE_CHECKING:
    from grade.machine.machine import Machine

NOT_WRITTEN_WORDS = "is not written yet"


def classify(machine: Machine, stop: Stop, goal: str, talks: bool = False) -> Failure:
    """The failure that a stop amounts to. goal says in words what was to happen instead; talks,
    that the kernel should have printed something on its way."""
    explain = {Ending.EXIT: _exit, Ending.RESET: _reset, Ending.OFF: _off,
               Ending.HALTED: _halted, Ending.SPINNING: _spinning,
               Ending.EXCEPTIONS: _exceptions, Ending.FLOOD: _flood, Ending.DIED: _died,
               Ending.BREAKPOINT: _elsewhere}[stop.ending]
    failure = explain(machine, stop, goal)
    failure.expected = failure.expected or goal
    if failure.outcome in (Outcome.SPINNING, Outcome.HALTED) and talks \
            and not machine.console.raw:
        failure.outcome = Outcome.SILENT
        failure.seen = f"nothing on the serial port; {failure.seen}"
    return failure


def _exit(machine: Machine, stop: Stop, goal: str) -> Failure:
    if stop.value == layout.EXIT_NOT_WRITTEN:
        line = next((line for line in reversed(machine.console.lines)
                     if NOT_WRITTEN_WORDS in line), "an exercise is not written yet")
        return Failure(Outcome.NOT_WRITTEN, line, goal)
    if stop.value == layout.EXIT_PANIC:
        seen, details = forensics.panic(machine)
        return Failure(Outcome.PANIC, seen, goal, details=details)
    names = {value: name for name, value in layout.numbers().items() if name.startswith("EXIT_")}
    value = names.get(stop.value, f"{stop.value:#x}")
    return Failure(Outcome.WRONG, f"the kernel left through the exit port with {value}", goal,
                   details=["the last lines on the serial port:", *machine.console.tail()])


def _reset(machine: Machine, stop: Stop, goal: str) -> Failure:
    if machine.session.log.triple_fault:
        seen, details, hint = forensics.triple_fault(machine)
        return Failure(Outcome.TRIPLE_FAULT, seen, goal, hint, details)
    return Failure(Outcome.WRONG, f"the kernel reset the machine at {machine.where(stop.address)}",
                   goal, details=forensics.backtrace(machine, machine.regs))


def _off(machine: Machine, stop: Stop, goal: str) -> Failure:
    return Failure(Outcome.WRONG, f"the kernel switched the machine off at "
                   f"{machine.where(stop.address)}", goal, details=_printed(machine))


def _halted(machine: Machine, stop: Stop, goal: str) -> Failure:
    registers = forensics.asleep(machine)
    wake = "interrupts are off, so nothing will ever wake it"
    if registers.rflags & RFLAGS_IF:
        ticks = machine.session.log.ticks
        wake = f"{ticks} interrupts came, and it went back to sleep" if ticks > 1 else \
            "interrupts are on, but none came"
    return Failure(Outcome.HALTED,
                   f"the processor sleeps in hlt at {machine.where(registers.rip - 1)}: {wake}",
                   goal, details=[*forensics.backtrace(machine, registers),
                                  *forensics.last_exceptions(machine), *_printed(machine)])


def _spinning(machine: Machine, stop: Stop, goal: str) -> Failure:
    where, details = forensics.stuck(machine, machine.regs)
    return Failure(Outcome.SPINNING, f"the kernel is still at work in {where}", goal,
                   details=details + _printed(machine))


def _exceptions(machine: Machine, stop: Stop, goal: str) -> Failure:
    where, details = forensics.stuck(machine, machine.regs)
    return Failure(Outcome.SPINNING, "one exception follows another, more than "
                   f"{machine.limits.exceptions} of them; the machine is in {where}", goal,
                   details=details + _printed(machine))


def _flood(machine: Machine, stop: Stop, goal: str) -> Failure:
    where, details = forensics.stuck(machine, machine.regs)
    return Failure(Outcome.SPINNING,
                   f"the kernel flooded the serial port (more than {machine.limits.flood >> 10}"
                   f" KiB), in {where}", goal, details=details + _printed(machine))


def _died(machine: Machine, stop: Stop, goal: str) -> Failure:
    return Failure(Outcome.WRONG, f"QEMU itself ended ({stop.words})", goal)


def _elsewhere(machine: Machine, stop: Stop, goal: str) -> Failure:
    return Failure(Outcome.WRONG, f"the machine stopped at {machine.where(stop.address)}", goal,
                   details=forensics.backtrace(machine, machine.regs))


def _printed(machine: Machine) -> list[str]:
    tail = machine.console.tail(6)
    return ["the last lines on the serial port:", *tail] if tail else []
