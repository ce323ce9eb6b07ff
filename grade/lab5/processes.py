"""Exercises 5.1 to 5.7: a puppet and its children. The grader moves these processes by hand, in the
kernel and in ring 3, so that nothing has to work but what is being looked at."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from grade.lab import Lab
from grade.lab4.puppet import Guest, puppet
from grade.machine import Machine, Module, Registers, layout
from grade.machine.frames import count_free
from grade.machine.layout import KERNEL_BASE, PAGE
from grade.machine.state import FIXED, GENERAL, IF, State, assign, compare, leave, values, variable
from grade.machine.structures import Structure, enumeration, structure
from grade.outcome import Failure, Outcome, expect

GATE = "per_cpu_data_ptr"  # in the table for a call of the grader's; it never runs
NUMBER = 333  # of that call
OFF = FIXED  # RFLAGS of a program that nothing interrupts: nobody else runs
CPU = ("cr3", "fs_base", "gs_base", "k_gs_base", "ds", "es", "fs", "gs")
KERNELS = (("percpu", layout.PERCPU_KERNEL_RSP), ("percpu", layout.PERCPU_FRAME),
           ("cpu_tss", layout.TSS_RSP0), ("current_process", 0))


class ProcessState(enum.Enum):
    """enum process_state by its names; the numbers are the kernel's."""

    UNUSED = "PROCESS_UNUSED"
    READY = "PROCESS_READY"
    RUNNING = "PROCESS_RUNNING"
    BLOCKED = "PROCESS_BLOCKED"
    ZOMBIE = "PROCESS_ZOMBIE"


class Kinds(NamedTuple):
    """What the kernel's debug information says of processes."""

    structure: Structure
    states: dict[int, ProcessState]


def kinds(machine: Machine) -> Kinds:
    """Those of the kernel that the machine runs."""
    numbers = enumeration(machine.kernel, "process_state", "process.c")
    absent = [each.value for each in ProcessState if each.value not in numbers]
    expect(not absent, f"enum process_state has no {' '.join(absent)}", "the names of process.h")
    return Kinds(structure(machine.kernel, "process", "process.c"),
                 {numbers[each.value]: each for each in ProcessState})


class Process:
    """A struct process in the machine's memory."""

    def __init__(self, machine: Machine, address: int, known: Kinds | None = None) -> None:
        self.m, self.address = machine, address
        self.kinds = known or kinds(machine)
        self.fields = self.kinds.structure.fields

    def place(self, name: str) -> int:
        """The address of a field."""
        if name not in self.fields:
            raise Failure(Outcome.WRONG, f"struct process has no field {name}",
                          "the fields of process.h")
        return self.address + self.fields[name].offset

    def data(self, name: str) -> bytes:
        place = self.place(name) - KERNEL_BASE
        return self.m.phys.read(place, self.fields[name].size)

    def get(self, name: str) -> int:
        return int.from_bytes(self.data(name), "little")

    def put(self, name: str, value: int | bytes) -> None:
        place, size = self.place(name) - KERNEL_BASE, self.fields[name].size
        data = value if isinstance(value, bytes) else (value % (1 << 8 * size)).to_bytes(
            size, "little")
        expect(len(data) == size, f"{name} of struct process has {size} bytes", f"{len(data)}")
        self.m.phys.write(place, data)

    @property
    def pid(self) -> int:
        return self.get("pid")

    @property
    def state(self) -> ProcessState:
        found = self.get("state")
        if found not in self.kinds.states:
            raise Failure(Outcome.WRONG, f"the state of a process is {found:#x}",
                          "one of enum process_state")
        return self.kinds.states[found]

    @property
    def root(self) -> int:
        return self.get("image.root")

    @property
    def top(self) -> int:
        return self.get("kernel_stack.top")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and other.address == self.address

    def __hash__(self) -> int:
        return self.address

    def __str__(self) -> str:
        return f"process {self.pid}"


def running(machine: Machine) -> Process:
    """The process that current_process points to."""
    address = variable(machine, "current_process")
    expect(address, "current_process is NULL", "the process that runs")
    return Process(machine, address)


def every_place(machine: Machine) -> list[Process]:
    """process_table."""
    table = machine.symbols.symbol("process_table")
    known = kinds(machine)
    return [Process(machine, place, known) for place in
            range(table.address, table.address + table.size, known.structure.size)]


def all_processes(machine: Machine) -> list[Process]:
    """The places of the table that are in use."""
    return [each for each in every_place(machine) if each.state is not ProcessState.UNUSED]


def kept_frames(machine: Machine) -> int:
    """The kernel stacks of places in the table that are unused, in frames."""
    kept = [each for each in every_place(machine)
            if each.state is ProcessState.UNUSED and each.top]
    return len(kept) * layout.STACK_SIZE // PAGE


def watch_queue(machine: Machine) -> None:
    """From now on it is a failure if the queue is changed where the timer could change it, too."""
    def look() -> None:
        regs = machine.regs
        expect(not regs.rflags & IF, f"interrupts are on in {machine.where(regs.rip)}",
               "off: a tick that comes now changes the queue as well, and a process is lost",
               "cli before, sti afterwards")

    for changer in ("wakeup", "sleep_on", "yield"):
        machine.on(changer, look)


def stop_deadlocks(machine: Machine) -> None:
    """From now on it is a failure if no process can ever run again: none is ready, and none waits
    for the timer."""
    tick = machine.sym("tick_channel")
    alive = (ProcessState.READY, ProcessState.RUNNING)

    def look() -> None:
        processes = all_processes(machine)
        if not any(each.state in alive or each.get("channel") == tick for each in processes):
            words = ", ".join(f"{each} is {each.state.name}" for each in processes)
            expect(False, f"nobody can ever run again: {words}",
                   "somebody is READY, or waits for the timer",
                   "who makes true what another one waits for must wake it: wakeup(channel)")

    machine.on("schedule", look)


class Failing:
    """From when it is armed on, one frame_alloc fails, or frame_alloc_pair: the `left`-th. Only for
    a machine in which nobody else stops there."""

    def __init__(self, machine: Machine) -> None:
        self.m, self.left = machine, 0
        machine.on("frame_alloc", self._count)
        machine.on("frame_alloc_pair", self._count)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            leave(self.m, layout.ERROR_NO_FRAMES)

    @property
    def happened(self) -> bool:
        return self.left <= 0


class Family(Guest):
    """A puppet that runs, and those that it forks."""

    parent: Process
    gate: int  # the instruction by which the kernel was entered

    def begin(self) -> None:
        """Be at the first process's first instruction."""
        self.start()
        self.parent = running(self.m)

    def into_kernel(self, by: str = "syscall", **registers: int) -> Registers:
        """Make a system call of the grader's, and stand in its handler: in the kernel, on the
        process's stack, with interrupts off. The registers that ring 3 had."""
        assign(self.m, "syscall_table", self.m.sym(GATE), 8 * NUMBER)
        self.gate = getattr(self.program, by)
        self.plant(rip=self.gate, rax=NUMBER, **registers)
        before = self.m.regs
        self.m.run_to(GATE)
        self.m.set_regs(rflags=FIXED)
        return before

    def back(self, result: int = 0) -> Registers:
        """Let the handler return, and come to ring 3."""
        leave(self.m, result)
        self.come_back(self.gate + 2, "a system call")
        return self.m.regs

    @property
    def scratch(self) -> int:
        """Some 150 bytes on the kernel's stack that nobody uses, not even `call`."""
        return self.m.regs.rsp - 216 & -16

    def fork(self) -> Process:
        """process_fork, called for the running process: the child, which is not ready to run."""
        return Process(self.m, self.m.call.result("process_fork"))

    def free(self) -> int:
        """Frames that are free, or wait for the next process; the kernel's own word for it."""
        return self.m.call("frames_free") + kept_frames(self.m)

    def count_free(self) -> int:
        """The same, whatever the kernel says."""
        return count_free(self.m) + kept_frames(self.m)

    def end(self, child: Process, status: int = 0, signal: int = 0) -> None:
        """Let a process end that has never run: process_exit or process_kill, as if it called them;
        then it is the turn of who ran before."""
        m = self.m
        before, kept = m.regs, {place: variable(m, *place) for place in KERNELS}
        assign(m, "current_process", child.address)
        m.set_regs(rsp=(before.rsp - 1024 & -16) - 8, rdi=signal or status,
                   rip=m.sym("process_kill" if signal else "process_exit"))
        m.run_to("schedule")
        m.set_regs(**values(before), cr3=before.cr3)
        for (name, offset), value in kept.items():
            assign(m, name, value, offset)


def check_registers(seen: Registers, expected: State, what: str, hint: str = "") -> None:
    """Compare registers by name."""
    compare({name: getattr(seen, name) for name in expected}, expected, what, hint)


def after_fork(before: Registers, by: str) -> State:
    """The general registers of a child whose parent had these at SYSCALL or int 0x80."""
    expected = values(before, (*GENERAL, "rsp", "rflags"))
    expected.update(rip=before.rip + 2, rax=0)
    if by == "syscall":
        expected.update(rcx=before.rip + 2, r11=before.rflags)
    return expected


@contextmanager
def family(lab: Lab, *others: Module, **options: Any) -> Iterator[Family]:
    """A machine with a puppet as its first process; `others` are programs to execute."""
    program = puppet(lab.rng)
    with lab.boot(probe=True, modules=[program.module(), *others], **options) as machine:
        yield Family(machine, lab.rng, program)
