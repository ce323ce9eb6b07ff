"""A running machine and the lines to it: let it run, and find out why it no longer does."""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import Signals

from grade.errors import BadMachine
from grade.machine.console import FLOOD, Console
from grade.machine.gdbremote import GDB_QUIT, Gdb, HungUp
from grade.machine.intlog import InterruptLog
from grade.machine.layout import RFLAGS_IF
from grade.machine.phys import Ram
from grade.machine.pump import BACKSTOP, Pump
from grade.machine.qemu import Qemu
from grade.machine.qmp import Qmp, QmpError, SystemRegisters

TICK = 0.02
JUMP_TO_ITSELF = b"\xeb\xfe"
LOOK_EVERY = 0.2  # seconds of processor time
LOGGED = "int,cpu_reset"
FROM_OUTSIDE = (Signals.SIGKILL, Signals.SIGTERM, Signals.SIGINT, Signals.SIGHUP)


class Ending(enum.Enum):
    """Why a machine does not run."""

    BREAKPOINT = "it came to a breakpoint"
    EXIT = "it left through the exit port"
    RESET = "it reset itself"
    OFF = "it switched itself off"
    SPINNING = "it went on working for too long"
    EXCEPTIONS = "it took too many exceptions"
    HALTED = "it sleeps, and nothing will wake it"
    FLOOD = "it flooded the serial port"
    DIED = "QEMU itself failed"


@dataclass(frozen=True)
class Stop:
    """How a run ended: at which address, or with which value."""

    ending: Ending
    address: int = 0  # RIP, where the machine can still be asked
    value: int = 0  # what was written to the exit port
    words: str = ""  # what QEMU said


@dataclass(frozen=True)
class Limits:
    """How long a run may go on. None of it is time on a clock: a loaded computer makes nobody
    fail."""

    cpu: float = 3.0  # seconds of processor time that QEMU has burned
    exceptions: int = 20_000  # those of the processor and of `int`: each is logged, which is slow
    ticks: int = 3000  # interrupts in a row that each found the kernel asleep at the same place
    idle: float = 50  # looks in a row that found it asleep, interrupts on, and none came
    flood: int = FLOOD  # bytes on the serial port


@dataclass
class Allowance:
    """What a check may burn, in seconds of processor time, however many machines it starts."""

    run: float = math.inf  # a single run
    total: float = math.inf  # all the QEMUs that this process ever started


ALLOWED = Allowance()


class Session:
    """QEMU with everything connected. Reading one line drains all of them."""

    def __init__(self, *, memory: int, cpu: str, arguments: Sequence[str] = (),
                 passed: Sequence[int] = (), ram: Ram | None = None,
                 exit_port: bool = True, limits: Limits = Limits()) -> None:
        self.limits = limits
        self.console = Console(limits.flood)
        self.log = InterruptLog()
        self.pump = Pump()
        self.breakpoints: dict[int, int] = {}  # address: how often inserted
        self.qemu = Qemu(memory=memory, cpu=cpu, arguments=arguments, passed=passed,
                         ram=ram, exit_port=exit_port)
        self.pump.add(self.qemu.serial, self.console.feed)
        self.pump.add(self.qemu.log, self.log.feed)
        self.pump.add(self.qemu.errors, self.qemu.hear)
        self._gdb: Gdb | None = None
        self._qmp: Qmp | None = None

    def connect(self) -> None:
        """Wait for QEMU to answer: it may be starting still, or unable to."""
        try:
            self._qmp = Qmp(self.qemu.qmp_path, self.pump)
        except (QmpError, OSError):
            self._gather()
            raise BadMachine(f"QEMU does not start: {self.qemu.words}") from None

    @property
    def qmp(self) -> Qmp:
        assert self._qmp
        return self._qmp

    @property
    def gdb(self) -> Gdb:
        """Connected when first used, since that stops the machine."""
        if not self._gdb:
            self._gdb = Gdb(self.qemu.gdb_path, self.pump)
        return self._gdb

    def log_events(self, items: str = LOGGED) -> None:
        """Begin to log interrupts: from here on, not in the firmware."""
        self.qmp.monitor(f"log {items}")

    def insert(self, address: int) -> None:
        count = self.breakpoints.get(address, 0)
        if not count:
            self.gdb.insert(address)
        self.breakpoints[address] = count + 1

    def remove(self, address: int) -> None:
        self.breakpoints[address] -= 1
        if not self.breakpoints[address]:
            del self.breakpoints[address]
            if not self.over:
                self.gdb.remove(address)

    @property
    def over(self) -> bool:
        """QEMU has gone."""
        return self.qemu.exited() or (self._gdb is not None and self._gdb.gone)

    def step(self) -> Stop:
        """Execute one instruction."""
        try:
            return self._shut_down() if self.qmp.shutdown else self._stopped(self.gdb.step())
        except HungUp:
            return self._gone()

    def run(self, limits: Limits | None = None) -> Stop:
        """Let the machine run until something happens, or too long nothing."""
        try:
            if self.qmp.shutdown:
                return self._shut_down()
            return self._leave_breakpoint() or self._run(limits or self.limits)
        except HungUp:
            return self._gone()

    def _leave_breakpoint(self) -> Stop | None:
        """Step off a breakpoint that the machine stands at; it would stop there again."""
        here = self.gdb.registers().rip
        if here not in self.breakpoints:
            return None
        self.gdb.remove(here)
        stop = self._stopped(self.gdb.step())
        self.gdb.insert(here)
        moved = stop.address in self.breakpoints and stop.address != here
        return stop if moved or stop.ending != Ending.BREAKPOINT else None

    def _run(self, limits: Limits) -> Stop:
        self.gdb.resume()
        patience = Patience(limits, self)
        while True:
            arrived = self.pump.turn(TICK)
            signal = self.gdb.take_stop()
            if signal is not None:
                return self._stopped(signal)
            if self.gdb.gone:
                return self._gone()
            if self.qmp.shutdown:
                return self._shut_down()
            try:
                ending = Ending.FLOOD if self.console.flooded else patience.lost(arrived)
            except QmpError:
                continue  # QEMU ended while it was asked: the next turn sees it
            if ending:
                return self._stop_it(ending)

    def _stop_it(self, ending: Ending) -> Stop:
        """Stop the machine, unless it has stopped of itself while we were asking about it."""
        self.pump.drain()
        signal = self.gdb.take_stop()
        if signal is not None:
            return self._stopped(signal)
        self.gdb.interrupt()
        self.pump.drain()
        return Stop(ending, self.gdb.registers().rip)

    def _stopped(self, signal: int) -> Stop:
        self.pump.drain()
        if signal == GDB_QUIT:
            return self._shut_down()
        return Stop(Ending.BREAKPOINT, self.gdb.registers().rip)

    def _shut_down(self) -> Stop:
        """The machine has stopped for ever: it was reset, it wrote to the exit port (QEMU 9.1 and
        newer; older ones end at once), or it switched itself off."""
        self.qmp.command("query-status")  # answered when all that belongs to the stop was said
        self.pump.drain()
        self.gdb.take_stop()
        rip = self.gdb.registers().rip
        if self.qmp.shutdown == "guest-reset":
            return Stop(Ending.RESET, rip)
        self.qmp.quit()
        stop = self._gone()
        return Stop(Ending.OFF, rip) if stop.ending == Ending.DIED and not stop.value else stop

    def _gone(self) -> Stop:
        """QEMU has ended: what isa-debug-exit was told is in its exit status."""
        self._gather()
        status = self.qemu.wait()
        if status < 0 and -status in FROM_OUTSIDE:
            raise BadMachine(f"QEMU was ended from outside, by {Signals(-status).name}: is this "
                             "computer short of memory?")
        if status < 0 or not status & 1 or (status == 1 and self.qemu.words):
            return Stop(Ending.DIED, value=status, words=f"status {status}: {self.qemu.words}")
        return Stop(Ending.EXIT, value=status >> 1)

    def _gather(self) -> None:
        """Take in what a QEMU that is ending still says."""
        streams = self.qemu.serial, self.qemu.log, self.qemu.errors
        while not all(map(self.pump.ended, streams)) and self.pump.turn(BACKSTOP):
            pass

    def hand_over(self) -> None:
        """Clear the machine of what is ours and hang up: another gdb can attach. (What was
        inserted stays in QEMU when its gdb goes, and so does a stopped machine stopped.)"""
        for address in self.breakpoints:
            self.gdb.remove(address)
        self.breakpoints.clear()
        self.qmp.monitor("log none")
        self.gdb.close()

    def close(self) -> None:
        if self._gdb:
            self._gdb.close()
        if self._qmp:
            self._qmp.close()
        self.pump.close()
        self.qemu.kill()


def children_cpu() -> float:
    """The processor time of the programs that this process has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


class Patience:
    """Decides when waiting has become useless."""

    def __init__(self, limits: Limits, session: Session) -> None:
        self._limits, self._session = limits, session
        self._began = self._last_cpu = self._last_look = session.qemu.cpu_seconds()
        self._exceptions = session.log.exceptions
        self._waited = 0  # looks that found the machine asleep
        session.log.ticks = 0

    def lost(self, arrived: bool) -> Ending | None:
        """Call at each tick; arrived tells whether the machine gave a sign of life."""
        cpu, log = self._session.qemu.cpu_seconds(), self._session.log
        asleep = not arrived and cpu == self._last_cpu
        self._last_cpu = cpu
        if cpu - self._began > min(self._limits.cpu, ALLOWED.run) or self._stuck(cpu) \
                or children_cpu() + cpu > ALLOWED.total:
            return Ending.SPINNING
        if log.exceptions - self._exceptions > self._limits.exceptions:
            return Ending.EXCEPTIONS
        if log.ticks > self._limits.ticks:
            return Ending.HALTED
        if arrived:
            self._waited = 0
        elif asleep and self._halted_for_good():
            return Ending.HALTED
        return None

    def _stuck(self, cpu: float) -> bool:
        """The kernel jumps on the spot, and no interrupt can take it away from there."""
        if cpu - self._last_look < LOOK_EVERY:
            return False
        self._last_look = cpu
        return self._still(lambda state: state.flat and state.ring == 0
                           and not state.rflags & RFLAGS_IF
                           and self._session.qmp.next_code(len(JUMP_TO_ITSELF)) == JUMP_TO_ITSELF)

    def _halted_for_good(self) -> bool:
        """The processor waits for an interrupt, and it can take none, or none comes."""
        if self._still(lambda state: state.halted and not state.rflags & RFLAGS_IF):
            return True  # one look has both: a processor that has just woken may have IF off
        if not self._still(lambda state: state.halted):
            return False
        self._waited += 1
        return self._waited > self._limits.idle

    def _still(self, holds: Callable[[SystemRegisters], bool]) -> bool:
        """Whether something holds, and not for the reason that the machine has just ended: QEMU
        says so between two commands, and lets the processor run on until then."""
        qmp = self._session.qmp
        return holds(qmp.system_registers()) and holds(qmp.system_registers()) \
            and not qmp.shutdown
