"""A kernel in a virtual machine, as a check sees it: run it to a place, and look at everything."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

from grade.machine import layout, msr
from grade.machine.calls import Calls, Place, name_of
from grade.machine.console import Console
from grade.machine.gdbremote import Registers
from grade.machine.handover import DEBUG_AT, HandOver
from grade.machine.intlog import Interrupt
from grade.machine.memory import VirtualMemory
from grade.machine.multiboot2 import MemoryArea, Module
from grade.machine.phys import PhysicalMemory
from grade.machine.probe import Call, Result, Value
from grade.machine.qmp import SystemRegisters
from grade.machine.session import LOGGED, Ending, Limits, Session, Stop
from grade.machine.setup import Setup, hand_over, power_on
from grade.machine.symbols import load_symbols
from grade.machine.verdict import classify
from grade.outcome import Failure, Outcome

__all__ = ["Call", "HandOver", "Limits", "Machine", "MemoryArea", "Module", "Registers", "Result",
           "Stop", "Value"]


class Machine:
    """A context manager: inside the `with` block the kernel is in memory, about to be entered."""

    def __init__(self, kernel: Path, *, rng: Random | None = None, limits: Limits = Limits(),
                 msrs: bool = False, trace: Sequence[str] = (), debug_at: Place | None = None,
                 **hardware: Any) -> None:
        """What it is made of, and what the boot loader tells the kernel: the fields of Setup.
        msrs: record every `wrmsr`; trace: QEMU's trace events, by pattern."""
        self.kernel, self.limits = Path(kernel), limits
        self.setup = Setup(rng=rng or Random(0), **hardware)
        self.msr_writes: list[msr.MsrWrite] = []
        self.information = 0  # where the Multiboot2 structure lies
        self._trace, self._msrs = trace, msrs
        self._debug_at = debug_at if debug_at is not None else os.environ.get(DEBUG_AT) or None
        self._actions: dict[int, Callable[[], None]] = {}
        self._instead: dict[int, Callable[[], bool]] = {}
        self._session: Session | None = None

    # Birth and death

    def __enter__(self) -> Machine:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if not isinstance(error, HandOver):
            self.close()

    def close(self) -> None:
        """End QEMU. Memory and console can still be read."""
        if self._session:
            self._session.close()

    def _start(self) -> None:
        self.symbols = load_symbols(self.kernel)
        self._boot()
        self.session.log.trace_names = tuple(each.split("*")[0] for each in self._trace)
        self.session.log_events(",".join([LOGGED, *(f"trace:{each}" for each in self._trace)]))
        if self._msrs:
            for place in msr.places(self.symbols.elf):
                self.on(place, self._record_msr)
        if self._debug_at is not None:
            self.session.insert(self.sym(self._debug_at))

    def _boot(self) -> None:
        """Have a machine with the kernel in its memory. (recording.py has others.)"""
        self._session = power_on(self.setup, self.limits)
        self.phys = PhysicalMemory(self.session.qemu.ram)
        self.information = hand_over(self.setup, self.session, self.phys, self.symbols.elf)

    @property
    def session(self) -> Session:
        assert self._session, "the machine is used outside its `with` block"
        return self._session

    @functools.cached_property
    def memory(self) -> VirtualMemory:
        """By virtual address. (Made when first used: a machine that is recorded has no gdb.)"""
        return VirtualMemory(self.phys, self.session.gdb)

    @property
    def call(self) -> Calls:
        """The kernel's functions. (Not kept: a circle would keep the machine's files open.)"""
        return Calls(self)

    @property
    def gdb_path(self) -> Path:
        return self.session.qemu.gdb_path

    # Names

    def sym(self, place: Place) -> int:
        """A symbol's address; an address stays itself."""
        return self.symbols[place] if isinstance(place, str) else place

    def where(self, address: int) -> str:
        """`function (file.c:42)`."""
        return self.symbols.where(address)

    # Running

    def run_to(self, *places: Place, limits: Limits | None = None, goal: str = "") -> int:
        """Let the kernel run until it comes to one of these places (again, if it is there), and
        return which; anything else that happens is a Failure of the right class: it did not reach
        the goal."""
        targets = [self.sym(place) for place in places]
        with self._breakpoints(targets):
            stop = self._run(targets, limits)
        if stop.ending != Ending.BREAKPOINT or stop.address not in targets:
            goal = goal or f"the kernel comes to {' or '.join(map(name_of, places))}"
            raise classify(self, stop, goal)
        return stop.address

    def run_to_exit(self, expected: int | None = None, limits: Limits | None = None) -> int:
        """Let the kernel run until it leaves through the exit port; what it wrote there. With an
        expected value, another one is a Failure. An unwritten exercise always is."""
        stop = self._run([], limits)
        unwritten = stop.value == layout.EXIT_NOT_WRITTEN
        if stop.ending != Ending.EXIT or expected not in (None, stop.value) or \
                (unwritten and expected is None):
            goal = "the kernel runs to its end"
            raise classify(self, stop, goal if expected is None else f"{goal}, exit {expected:#x}",
                           talks=True)
        return stop.value

    def run_to_stop(self, limits: Limits | None = None) -> Stop:
        """Let the kernel run until anything ends that, and tell what: nothing is a Failure."""
        return self._run([], limits)

    def step(self, count: int = 1) -> Registers:
        """Execute instructions; the registers afterwards. (QEMU holds interrupts back.)"""
        for _ in range(count):
            if self._replaced():
                continue
            stop = self.session.step()
            if stop.ending != Ending.BREAKPOINT:
                raise classify(self, stop, "the instruction is executed")
        return self.regs

    def on(self, place: Place, action: Callable[[], None]) -> None:
        """Each time the kernel comes to a place, look at it there, then let it go on."""
        self.session.insert(self.sym(place))
        self._actions[self.sym(place)] = action

    def instead(self, place: Place, action: Callable[[], bool]) -> None:
        """Play an instruction that this processor does not have, or has otherwise, each time it
        is to be executed. The action moves RIP behind it and says True; or it says False, and the
        processor executes it after all."""
        self.session.insert(self.sym(place))
        self._instead[self.sym(place)] = action

    def _replaced(self) -> bool:
        """Has something else been done for the instruction that is next?"""
        action = self._instead.get(self.regs.rip) if self._instead else None
        return action is not None and action()

    def classify(self, stop: Stop, goal: str, talks: bool = False) -> Failure:
        """The Failure that a stop amounts to where `goal` was to happen."""
        return classify(self, stop, goal, talks)

    def _run(self, targets: Sequence[int], limits: Limits | None) -> Stop:
        if self._debug_at is not None:
            self._debug_here(self.regs.rip)  # a check may have put it there
        while True:
            while self._replaced():
                pass
            stop = self.session.run(limits)
            if stop.ending != Ending.BREAKPOINT:
                return stop
            self._debug_here(stop.address)
            if stop.address in self._actions:
                self._actions[stop.address]()
            ours = stop.address in self._actions or stop.address in self._instead
            if stop.address in targets or not ours:
                return stop

    @contextmanager
    def _breakpoints(self, addresses: Sequence[int]) -> Iterator[None]:
        for address in addresses:
            self.session.insert(address)
        yield  # an exception ends the machine, or hands it over
        for address in addresses:
            self.session.remove(address)

    def _debug_here(self, address: int) -> None:
        """If a person wants to look at the function that begins here: the machine is theirs."""
        if self._debug_at is None or address != self.sym(self._debug_at):
            return
        machine = HandOver(self, self._debug_at)
        machine.begin()
        raise machine

    def _record_msr(self) -> None:
        self.msr_writes.append(msr.about_to_write(self.regs))

    # Registers

    @property
    def regs(self) -> Registers:
        return self.session.gdb.registers()

    def set_regs(self, **values: int) -> None:
        for name, value in values.items():
            self.session.gdb.set_register(name, value)

    @property
    def system(self) -> SystemRegisters:
        """GDTR, IDTR, TR, LDTR."""
        return self.session.qmp.system_registers()

    # What was heard

    @property
    def console(self) -> Console:
        return self.session.console

    @property
    def events(self) -> list[Interrupt]:
        """The interrupts and exceptions since the kernel's entry, the newest few thousand."""
        self.session.pump.drain()
        return list(self.session.log.interrupts)

    @property
    def newest_event(self) -> Interrupt:
        """The last of them. A kernel can come to trap() without any: then it has called it."""
        events = self.events
        if not events:
            raise Failure(Outcome.WRONG, "the processor has delivered no interrupt or exception",
                          "one was delivered")
        return events[-1]

    @property
    def traced(self) -> list[str]:
        """The lines of the trace events asked for."""
        self.session.pump.drain()
        return list(self.session.log.traced)

    # What comes from outside

    def type(self, text: str) -> None:
        """Send text to the serial port."""
        self.session.qemu.type(text.encode())

    def mask_devices(self) -> None:
        """No device interrupts any more: the timer's next tick could come anywhere."""
        self.session.qmp.monitor("o /b 0x21 0xff")

    def nmi(self) -> None:
        """Let an NMI come before the next instruction."""
        self.session.qmp.monitor("nmi")
