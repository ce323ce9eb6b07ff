"""Exercise 5.6: processes that are ended by others, and ends that nobody asks about."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from grade.lab5.processes import (OFF, Family, Process, ProcessState, all_processes, running,
                                  stop_deadlocks)
from grade.lab5.wait4 import end_somehow, fork_of, nothing, reap
from grade.machine import layout
from grade.machine.frames import count_free
from grade.machine.layout import (ECHILD, PAGE, SYS_close, SYS_fork, SYS_kill, SYS_nanosleep,
                                  SYS_pipe, SYS_read, SYS_sched_yield, SYS_wait4, SYS_write, WORD)
from grade.machine.state import FIXED, IF
from grade.outcome import equal, expect

MUCH = PAGE + 1000  # more than a pipe holds
LONGEST = 50  # turns for a write of so much
A_YEAR = struct.pack("<qq", 365 * 24 * 3600, 0)
WAYS = ("syscall", "int80")
HARMLESS = (layout.SIGCHLD, layout.SIGCONT, layout.SIGURG, layout.SIGWINCH)
STOPPING = (layout.SIGSTOP, layout.SIGTSTP, layout.SIGTTIN, layout.SIGTTOU)
DEADLY = [signal for signal in range(1, 65) if signal not in HARMLESS + STOPPING]


class Victim(NamedTuple):
    """A process that is going to be ended, and what by."""

    process: Process
    pid: int
    signal: int
    where: str  # what it is doing


class Scene:
    """The first process, which kills, and a child of it. Interrupts are off in ring 3, so each runs
    until it gives way; whoever is in ring 3 again is seen at its next instruction."""

    def __init__(self, family: Family, by: str) -> None:
        self.f, self.m, self.by, self.parent = family, family.m, by, family.parent
        self.back = getattr(family.program, by) + 2
        self.tables = self.m.regs.cr3  # the parent's, in ring 3

    def ask(self, number: int, *arguments: int) -> int:
        return self.f.ask(number, *arguments, by=self.by, rflags=OFF)

    def pipe(self) -> tuple[int, int]:
        equal(self.ask(SYS_pipe, self.f.program.data), 0, "pipe")
        reader, writer = struct.unpack("<ii", self.m.memory.read(self.f.program.data, 8))
        return reader, writer

    def begin(self, number: int, *arguments: int) -> None:
        """Stand at a system call."""
        named = dict(zip(("rdi", "rsi", "rdx"), (each % WORD for each in arguments)))
        self.f.plant(rip=self.back - 2, rax=number, rflags=OFF, **named)

    def to_child(self, pid: int) -> Process:
        """The parent yields; the child is in ring 3, where it returns from fork."""
        self.begin(SYS_sched_yield)
        self.m.run_to(self.back)
        child = running(self.m)
        equal(child.pid, pid, "who is in ring 3 when the parent of a new child has yielded")
        return child

    def to_parent(self, what: str, *others: int) -> None:
        """Go on until the parent is in ring 3; nobody else must come there before. All of them are
        behind a system call, or at one of the `others`."""
        self.m.run_to(self.f.program.syscall + 2, self.f.program.int80 + 2, *others)
        who = running(self.m)
        expect(who == self.parent and self.m.regs.cr3 == self.tables,
               f"{what}: {who} is in ring 3, at {self.m.regs.rip:#x}",
               "no instruction of its program is executed any more, and its parent goes on",
               "who is killed ends in the kernel: when its turn comes, by end_if_killed, or where "
               "it stands, by process_kill")

    def let_sleep(self, child: Process) -> None:
        """Yield until it sleeps: a long write also gives way between its parts."""
        for _ in range(LONGEST):
            if child.state is ProcessState.BLOCKED:
                return
            equal(self.ask(SYS_sched_yield), 0, "sched_yield")
        expect(False, f"{child} still does not sleep", "it waits for room in a pipe")

    def kill(self, victim: Victim) -> None:
        """First a signal that does nothing by default; and of two that do, the first counts."""
        for signal in (self.f.rng.choice(HARMLESS), victim.signal, self.f.rng.choice(DEADLY)):
            equal(self.ask(SYS_kill, victim.pid, signal), 0,
                  f"kill by signal {signal} of a child {victim.where}")
            if signal in HARMLESS:
                equal(victim.process.get("killed"), 0, "`killed` of a process that got signal "
                      f"{signal}, which does nothing by default,")

    def wait_for(self, victim: Victim, *others: int) -> None:
        """Its parent learns what it was ended by, and it has not been in ring 3 since."""
        at = self.f.program.data + 8 * self.f.rng.randrange(0x10, 0x200)
        self.begin(SYS_wait4, victim.pid, at, 0)
        self.to_parent(f"after the end of a child {victim.where}, by {self.by}", *others)
        equal((self.m.regs.rax, self.m.memory.u32(at)), (victim.pid, victim.signal),
              f"wait4 for a child {victim.where}, by {self.by}: number and status")


def asleep(scene: Scene, ends: tuple[int, int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """System calls in which a child waits. Each is made by a child of its own."""
    data = scene.f.program.data
    yield "asleep in a read from a pipe", (SYS_read, ends[0], data, 8)
    yield "asleep in a write to a pipe", (SYS_write, ends[1], data, MUCH)
    yield "asleep in wait4", (SYS_wait4, -1, 0, 0)
    yield "in sched_yield", (SYS_sched_yield,)
    yield "asleep in a read of the console", (SYS_read, 0, data, 8)
    scene.m.memory.write(data, A_YEAR)
    yield "asleep in nanosleep", (SYS_nanosleep, data, 0)


def check_killed(family: Family) -> None:
    """Wherever a process stands when it is killed, that was its last instruction in ring 3."""
    f = family
    stop_deadlocks(f.m)
    f.into_kernel(rflags=OFF)
    free = f.count_free()
    f.back()
    for by in WAYS:
        scene = Scene(f, by)
        _kill_unborn(scene)
        _kill_preempted(scene)
        _kill_itself(scene)
        ends = scene.pipe()
        for where, call in asleep(scene, ends):
            _kill_in_call(scene, where, call)
        for end in ends:
            equal(scene.ask(SYS_close, end), 0, "close")
    nothing(f, -1, 0, -ECHILD, "when all children that were killed have been waited for")
    f.into_kernel(rflags=OFF)
    equal(f.count_free(), free, "the number of free frames when all that were killed are gone")
    equal(f.m.call("processes_alive"), 1, "processes_alive() when all that were killed are gone")
    f.back()


def _victim(scene: Scene, pid: int, where: str) -> Victim:
    process = next(each for each in all_processes(scene.m) if each.pid == pid)
    return Victim(process, pid, scene.f.rng.choice(DEADLY), where)


def _kill_unborn(scene: Scene) -> None:
    victim = _victim(scene, scene.ask(SYS_fork), "that has never run")
    scene.kill(victim)
    scene.wait_for(victim)


def _kill_preempted(scene: Scene) -> None:
    victim = _victim(scene, scene.ask(SYS_fork), "that the timer has interrupted")
    scene.to_child(victim.pid)
    scene.f.plant(rip=scene.f.program.entry, rflags=FIXED | IF)  # jmp $
    scene.to_parent("while a child runs that never gives way")
    scene.kill(victim)
    scene.wait_for(victim, scene.f.program.entry)


def _kill_itself(scene: Scene) -> None:
    victim = _victim(scene, scene.ask(SYS_fork), "that has killed itself")
    scene.to_child(victim.pid)
    scene.begin(SYS_kill, victim.pid, victim.signal)
    scene.to_parent("after a child has killed itself")
    scene.wait_for(victim)


def _kill_in_call(scene: Scene, where: str, call: tuple[int, ...]) -> None:
    victims = [_victim(scene, scene.ask(SYS_fork), where)]
    scene.to_child(victims[0].pid)
    if call[0] == SYS_wait4:
        victims.append(_victim(scene, scene.ask(SYS_fork), "whose parent was killed"))
    scene.begin(*call)
    scene.to_parent(f"while a child is {where}")
    if call[0] == SYS_write:
        scene.let_sleep(victims[0].process)
    for each in reversed(victims):
        scene.kill(each)
    for each in victims:
        scene.wait_for(each)


# ---- When the first process has ended ----------------------------------------------------------


def _is_gone(family: Family, pid: int, why: str) -> None:
    for each in all_processes(family.m):
        expect(each.pid != pid, f"{each}, {why}, is a {each.state.name}", "its place is free",
               "nobody will ask how it ended: process_free")


def check_unasked(family: Family) -> None:
    """The first process ends before a child, a grandchild and another one; to the regular end."""
    f, m = family, family.m
    m.run_to("kernel_ready")
    before = count_free(m)
    f.begin()
    f.into_kernel(rflags=OFF)
    first, child, zombie = f.parent, f.fork(), f.fork()
    grandchild = fork_of(f, child)
    orphan, dead = fork_of(f, grandchild), fork_of(f, grandchild)
    numbers = [each.pid for each in (zombie, grandchild, orphan, dead)]
    end_somehow(f, zombie)
    end_somehow(f, dead)
    m.call("make_ready", child.address)
    f.back()
    f.leave()
    f.come_back(f.gate + 2, "the first process's child, when its parent has ended")
    f.parent = child
    equal(running(m), child, "who runs when the first process has ended")
    _is_gone(f, numbers[0], "which ended before its parent, the first process")
    equal(first.state.name, ProcessState.ZOMBIE.name, "the state of the first process at its end",
          "its place must not be used again: on its kernel stack lies the way back")
    f.into_kernel(rflags=OFF)
    ended = end_somehow(f, grandchild)
    equal(grandchild.state.name, ProcessState.ZOMBIE.name,
          "the state of a process that has ended, and whose parent lives")
    _is_gone(f, numbers[3], "which ended before its parent, and that after the first process")
    end_somehow(f, orphan)
    _is_gone(f, numbers[2], "an orphan that ended after the first process")
    f.back()
    reap(f, [ended], -1)
    nothing(f, -1, 0, -ECHILD, "when the only child has been waited for")
    f.leave()
    m.run_to("machine_exit")
    equal(count_free(m), before, "the number of free frames at the end of all")
    equal([str(each) for each in all_processes(m)], [], "the process table at the end of all")
    m.run_to_exit(layout.EXIT_OK)
