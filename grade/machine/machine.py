"""A kernel in a virtual machine, as a check sees it: run it to a place, and look at everything."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Literal

from grade.machine import firmware, layout, msr, paging
from grade.machine.calls import Calls, Place, name_of
from grade.machine.console import Console
from grade.machine.gdbremote import Registers
from grade.machine.intlog import Interrupt
from grade.machine.layout import PAGE, WORD
from grade.machine.loader import load
from grade.machine.multiboot2 import MemoryArea, Module
from grade.machine.paging import Mapping, Translation
from grade.machine.phys import PhysicalMemory
from grade.machine.probe import Call, Result, Value
from grade.machine.qmp import SystemRegisters
from grade.machine.session import LOGGED, Ending, Limits, Session, Stop
from grade.machine.symbols import Symbols
from grade.machine.template import CACHE, MOST_FILLED, incoming, template
from grade.machine.verdict import classify
from grade.outcome import Failure, Outcome

__all__ = ["Call", "HandOver", "Limits", "Machine", "MemoryArea", "Module", "Registers", "Result",
           "Stop", "Value"]

DEBUG_AT = "RUNG_DEBUG_AT"
UEFI_MEMORY = 256  # MiB: OVMF does not start with less than about half of it

_symbols: dict[tuple[Path, int], Symbols] = {}


class HandOver(Exception):
    """The machine has come to the place where a person wants to look at it. It stands still, and
    lives on after its `with` block until `end()`; gdb may attach to `gdb_path`. What the kernel
    prints meanwhile goes to the file `serial_log`."""

    def __init__(self, machine: Machine, place: Place) -> None:
        super().__init__(f"the machine waits at {place}; gdb: target remote {machine.gdb_path}")
        self.machine = machine
        self.place = place
        self.gdb_path = machine.gdb_path
        self.kernel = machine.kernel
        self.pid = machine.session.qemu.pid
        self.serial_log = machine.session.qemu.serial_log
        self._ended = threading.Event()
        self._drain = threading.Thread(target=self._keep_draining, daemon=True)

    def begin(self) -> None:
        """Leave the gdb socket to the person, and drain the others: a full pipe stops QEMU."""
        session = self.machine.session
        session.hand_over()
        self._drain.start()

    def _keep_draining(self) -> None:
        console, written = self.machine.console, 0
        with self.serial_log.open("wb", buffering=0) as file:
            while not self._ended.is_set() and not self.machine.session.qemu.exited():
                self.machine.session.pump.turn(0.1)
                file.write(console.raw[written:])
                written = len(console.raw)

    def end(self) -> None:
        """The person has gone: so does the machine."""
        self._ended.set()
        self._drain.join()
        self.machine.close()


class Machine:
    """A context manager: inside the `with` block the kernel is in memory, about to be entered."""

    def __init__(self, kernel: Path, *, rng: Random | None = None, cmdline: str = "",
                 modules: Sequence[Module] = (), memory: int = 64,
                 memory_map: Sequence[MemoryArea] | None = None, fill: int = 0xA5,
                 cpu: str = "max", firmware: Literal["template", "grub", "uefi"] = "template",
                 iso: Path | None = None, trace: Sequence[str] = (), msrs: bool = False,
                 limits: Limits = Limits(), debug_at: Place | None = None,
                 cache: Path = CACHE) -> None:
        """memory in MiB; fill is what unused RAM is full of; trace, QEMU trace events by pattern;
        msrs, record every `wrmsr`. With grub or uefi the iso is booted: command line, modules and
        memory map are then what its GRUB says."""
        self.kernel = Path(kernel)
        self.rng = rng or Random(0)
        self.limits = limits
        self.msr_writes: list[msr.MsrWrite] = []
        self.information = 0  # where the Multiboot2 structure lies
        self._cmdline, self._modules, self._areas = cmdline, modules, memory_map
        self._memory = max(memory, UEFI_MEMORY) if firmware == "uefi" else memory
        self._fill, self._cpu, self._firmware, self._iso = fill, cpu, firmware, iso
        self._trace, self._msrs, self._cache = trace, msrs, cache
        self._debug_at = debug_at if debug_at is not None else os.environ.get(DEBUG_AT) or None
        self._actions: dict[int, Callable[[], None]] = {}
        self._instead: dict[int, Callable[[], bool]] = {}
        self._session: Session | None = None
        self.call = Calls(self)

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
            self.session.insert(self.address(self._debug_at))

    def _boot(self) -> None:
        """Have a machine with the kernel in its memory. (recording.py has others.)"""
        if self._firmware == "template":
            self._start_from_template()
        else:
            self._start_from_iso()

    def _start_from_template(self) -> None:
        made = template(memory=self._memory, cpu=self._cpu, cache=self._cache)
        self._session = incoming(made, memory=self._memory, cpu=self._cpu, fill=self._fill,
                                 limits=self.limits)
        self.phys = PhysicalMemory(self.session.qemu.ram)
        self.information = load(
            self.symbols.elf, self.session.gdb, self.phys, made.information, rng=self.rng,
            cmdline=self._cmdline, modules=self._modules, areas=self._areas)

    def _start_from_iso(self) -> None:
        if not self._iso:
            raise ValueError(f"firmware={self._firmware!r} needs iso=")
        self._session = Session(
            memory=self._memory, cpu=self._cpu, limits=self.limits,
            arguments=firmware.cdrom(self._iso)
            + (firmware.uefi() if self._firmware == "uefi" else []))
        if self._fill:
            self.session.qemu.ram.fill(0, min(self._memory << 20, MOST_FILLED), self._fill)
        self.phys = PhysicalMemory(self.session.qemu.ram)
        self.session.connect()
        firmware.boot_to(self.session, self.symbols.elf.entry)
        self.session.console.restart()
        self.information = self.regs.rbx & 0xFFFF_FFFF

    @property
    def session(self) -> Session:
        assert self._session, "the machine is used outside its `with` block"
        return self._session

    @property
    def gdb_path(self) -> Path:
        return self.session.qemu.gdb_path

    # Names

    def address(self, place: Place) -> int:
        """A symbol's address; an address stays itself."""
        return self.symbols[place] if isinstance(place, str) else place

    sym = address

    def where(self, address: int) -> str:
        """`function (file.c:42)`."""
        return self.symbols.where(address)

    # Running

    def run_to(self, *places: Place, limits: Limits | None = None, goal: str = "") -> int:
        """Let the kernel run until it comes to one of these places (again, if it is there), and
        return which; anything else that happens is a Failure of the right class: it did not reach
        the goal."""
        targets = [self.address(place) for place in places]
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
        self.session.insert(self.address(place))
        self._actions[self.address(place)] = action

    def instead(self, place: Place, action: Callable[[], bool]) -> None:
        """Play an instruction that this processor does not have, or has otherwise, each time it
        is to be executed. The action moves RIP behind it and says True; or it says False, and the
        processor executes it after all."""
        self.session.insert(self.address(place))
        self._instead[self.address(place)] = action

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
        if self._debug_at is None or address != self.address(self._debug_at):
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

    # Memory by virtual address, through the page tables in CR3

    def read(self, va: int, size: int, cr3: int | None = None) -> bytes:
        return b"".join(self.phys.read(pa, length) for pa, length in self._pieces(va, size, cr3))

    def write(self, va: int, data: bytes, cr3: int | None = None) -> None:
        for pa, length in self._pieces(va, len(data), cr3):
            self.phys.write(pa, data[:length])
            data = data[length:]

    def u64(self, va: int) -> int:
        return int.from_bytes(self.read(va, 8), "little")

    def u32(self, va: int) -> int:
        return int.from_bytes(self.read(va, 4), "little")

    def set_u64(self, va: int, value: int) -> None:
        self.write(va, struct.pack("<Q", value % WORD))

    def string(self, va: int, longest: int = PAGE) -> str:
        """The C string at va."""
        data = b""
        while b"\0" not in data and len(data) < longest:
            data += self.read(va + len(data), min(64, PAGE - (va + len(data)) % PAGE))
        return data.partition(b"\0")[0].decode(errors="replace")

    def poke_code(self, va: int, data: bytes) -> None:
        """Write over code: through gdb, so that QEMU forgets what it has translated."""
        self.session.gdb.write(va, data)

    def _pieces(self, va: int, size: int, cr3: int | None) -> Iterator[tuple[int, int]]:
        """The physical pieces of a virtual range."""
        registers = self.regs
        if cr3 is None and not registers.cr0 >> 31:
            yield va, size
            return
        cr3 = registers.cr3 if cr3 is None else cr3
        while size:
            found = paging.walk(self.phys, cr3, va)
            if not found:
                raise Failure(Outcome.WRONG, paging.explain(self.phys, cr3, va),
                              f"{va:#x} is mapped")
            length = min(size, found.size - va % found.size)
            yield found.pa, length
            va, size = va + length, size - length

    # Page tables

    def walk(self, va: int, cr3: int | None = None) -> Translation | None:
        return paging.walk(self.phys, self.regs.cr3 if cr3 is None else cr3, va)

    def mappings(self, cr3: int | None = None, first: int = 0, last: int = 511) -> list[Mapping]:
        """Every page mapped, with effective rights; through L4 entries first..last only."""
        return paging.mappings(self.phys, self.regs.cr3 if cr3 is None else cr3, first, last)

    def table_frames(self, cr3: int | None = None) -> set[int]:
        return paging.table_frames(self.phys, self.regs.cr3 if cr3 is None else cr3)

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


def load_symbols(kernel: Path) -> Symbols:
    """The names of a kernel file, read once as long as it does not change."""
    key = kernel.resolve(), kernel.stat().st_mtime_ns
    if key not in _symbols:
        _symbols[key] = Symbols(kernel)
    return _symbols[key]


def prepare(memory: int = 64, cpu: str = "max", cache: Path = CACHE) -> None:
    """Make the template now, before many checks want it at once."""
    template(memory=memory, cpu=cpu, cache=cache)
