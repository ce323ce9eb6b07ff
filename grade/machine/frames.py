"""How many frames are free: counted from outside, not asked.

frames_free() is the kernel's own word. It may say which step loses a frame; what decides is what
can really be had. So all frames are taken, one by one, and then the machine's memory and registers
become what they were, as if nobody had asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from grade.machine.layout import PAGE, RFLAGS_IF
from grade.machine.machine import Machine
from grade.outcome import Failure, Outcome

WORD = 8


def count_free(machine: Machine) -> int:
    """How many frames frame_alloc can still give. The kernel must have the probe linked in."""
    with undone(machine):
        return len(take_all(machine))


def take_all(machine: Machine) -> list[int]:
    """Every frame that frame_alloc gives until it fails. A frame that comes twice, or that is
    none, is a Failure: so this ends when all of memory is taken at the latest."""
    slots = machine.symbols.symbol("probe_data")
    room = slots.size // WORD
    taken: list[int] = []
    while True:
        count = machine.call("probe_take_all", machine.sym("frame_alloc"), slots.address, room)
        data = machine.memory.read(slots.address, WORD * min(count, room))
        taken += memoryview(data).cast("Q").tolist()
        check_taken(machine, taken)
        if count < room:
            return taken


def check_taken(machine: Machine, frames: Sequence[int]) -> None:
    """Each of them is a whole frame of the machine's memory, and comes once."""
    seen: set[int] = set()
    for number, frame in enumerate(frames):
        if frame in seen:
            raise Failure(Outcome.WRONG, f"frame_alloc hands out {frame:#x} twice, at last after "
                          f"{number} frames", "no frame is handed out again before it is freed; "
                          "ERROR_NO_FRAMES when there is none")
        if frame % PAGE or not machine.phys.contains(frame, PAGE):
            raise Failure(Outcome.WRONG, f"frame_alloc hands out {frame:#x}, after {number} frames",
                          "a whole frame of the machine's memory; ERROR_NO_FRAMES when there is "
                          "none")
        seen.add(frame)


def check_number(machine: Machine, number: int) -> None:
    """No more frames than the machine has: an allocator that never fails would keep us for ever."""
    most = machine.phys.size // PAGE
    if number > most:
        raise Failure(Outcome.WRONG, f"{number} frames were handed out, and there is no end of it; "
                      f"the machine has {most}", "ERROR_NO_FRAMES when all that are free are taken")


@contextmanager
def undone(machine: Machine) -> Iterator[None]:
    """What happens inside is undone afterwards: to memory, and to the registers that a call
    changes. Nothing interrupts it, and no breakpoint of the check's stops it. (A Failure ends the
    machine anyway.)"""
    session, flags = machine.session, machine.regs.rflags
    memory = machine.phys.save()
    breakpoints = list(session.breakpoints)
    for address in breakpoints:
        session.gdb.remove(address)
    machine.set_regs(rflags=flags & ~RFLAGS_IF)
    yield
    machine.set_regs(rflags=flags)
    for address in breakpoints:
        session.gdb.insert(address)
    machine.phys.restore(memory)
