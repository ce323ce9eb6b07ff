"""Exercise 5.4: children that end by the grader's hand, and a parent that asks how."""

from __future__ import annotations

from typing import NamedTuple

from grade.lab5.processes import OFF, Family, Process
from grade.machine.layout import ECHILD, EFAULT, EINVAL, ESRCH, SYS_wait4, USER_END, WORD, signed
from grade.machine.state import IF, assign, leave
from grade.outcome import equal, expect, show

WNOHANG, WUNTRACED, WCONTINUED = 1, 2, 8
WNOTHREAD, WALL, WCLONE = 1 << 29, 1 << 30, 1 << 31
RUSAGE = 144  # bytes of a struct rusage


class Ended(NamedTuple):
    """A child, and the status that wait4 must give."""

    child: Process
    pid: int
    status: int


def end_somehow(family: Family, child: Process, code: int | None = None) -> Ended:
    """Let a child exit, or be killed. We stand in the kernel."""
    rng, pid = family.rng, child.pid
    if code is None and rng.random() < 0.4:
        signal = rng.choice((4, 5, 7, 8, 9, 11, rng.randrange(1, 65)))
        family.end(child, signal=signal)
        return Ended(child, pid, signal)
    code = rng.choice((0, 1, 255, 256, rng.getrandbits(31))) if code is None else code
    family.end(child, code)
    return Ended(child, pid, (code & 0xFF) << 8)


def fork_of(family: Family, parent: Process) -> Process:
    """process_fork, as if another process called it."""
    own = family.m.regs.cr3
    family.m.set_regs(cr3=parent.root)
    assign(family.m, "current_process", parent.address)
    child = family.fork()
    assign(family.m, "current_process", family.parent.address)
    family.m.set_regs(cr3=own)
    return child


def wait(family: Family, pid: int, options: int = 0, status: int = 0, usage: int = 0) -> int:
    """wait4, by either way, where it has no reason to wait: the result."""
    at = getattr(family.program, family.rng.choice(("syscall", "int80")))
    family.plant(rip=at, rax=SYS_wait4, rdi=pid % WORD, rsi=status, rdx=options % WORD, r10=usage,
                 rflags=OFF)
    stop = family.m.run_to(at + 2, "sleep_on", "process_kill")
    expect(stop == at + 2, f"wait4({pid}, status, {options}) " + (
        "waits" if stop == family.m.sym("sleep_on") else "ends the process"),
           "it returns at once: there is a child that has ended, or none to wait for, or WNOHANG")
    return signed(family.m.regs.rax)


def reap(family: Family, choices: list[Ended], pid: int, options: int = 0) -> Ended:
    """wait4 gives one of these, with its status, and writes nothing else."""
    m, what = family.m, f"wait4({pid}, status, {options})"
    at = family.program.data + 4 * family.rng.randrange(2, 0x800)
    m.memory.write(family.program.data, b"\xdd" * 0x3000)
    usage = family.program.data + 0x2100
    found = wait(family, pid, options, at, usage)
    ended = next((each for each in choices if each.pid == found), None)
    expect(ended, f"{what} returns {show(found)}",
           " or ".join(str(each.pid) for each in choices) + ", a child that has ended")
    assert ended
    equal(m.memory.u32(at), ended.status, f"the status that {what} writes for child {found}",
          "exit(n) is n << 8, in the eight bits from 8 on; a signal is in the lowest seven")
    equal(m.memory.read(at - 4, 4) + m.memory.read(at + 4, 4), b"\xdd" * 8,
          "what lies before and behind the status")
    equal(m.memory.read(usage, RUSAGE + 8), bytes(RUSAGE) + b"\xdd" * 8,
          "the usage (a struct rusage, the fourth argument), and what lies behind it")
    return ended


def check_gone(family: Family, ended: Ended) -> None:
    """A child that has been waited for exists no longer."""
    family.into_kernel(rflags=OFF)
    found = family.m.call("process_find", ended.pid)
    equal(found, 0, f"process_find({ended.pid}) after wait4 returned {ended.pid}",
          "a zombie that has been waited for is given back: process_free")
    family.back()


def nothing(family: Family, pid: int, options: int, expected: int, why: str) -> None:
    """wait4 gives no child, and does not write."""
    at = family.program.data + 0x800
    family.m.memory.write(at, b"\xdd" * 8)
    equal(wait(family, pid, options, at), expected, f"wait4({pid}, status, {options}) {why}")
    equal(family.m.memory.read(at, 8), b"\xdd" * 8, f"the status after wait4({pid}, …) {why}")


def check_all_reaped(family: Family) -> None:
    """Children that have ended, in all ways, are waited for in all ways; frames are given back."""
    family.into_kernel(rflags=OFF)
    free = family.count_free()
    codes = (0x1FF, 3, None, None, None, None)
    ended = [end_somehow(family, family.fork(), code) for code in codes]
    family.back()
    while ended:
        pid = family.rng.choice((-1, 0, family.rng.choice(ended).pid))
        options = family.rng.choice((0, WNOHANG, WUNTRACED, WCONTINUED | WNOHANG, WNOTHREAD, WALL,
                                     WALL | WCLONE))
        choices = [each for each in ended if pid in (-1, 0, each.pid)]
        one = reap(family, choices, pid, options)
        ended.remove(one)
        check_gone(family, one)
        nothing(family, one.pid, options, -ECHILD, "for a child that was waited for already")
    nothing(family, -1, 0, -ECHILD, "without children")
    family.into_kernel(rflags=OFF)
    equal(family.count_free(), free,
          "the number of free frames when all children have been waited for")
    family.back()


def check_whose(family: Family) -> None:
    """Only one's own children; those of one that ends get the first process as their parent."""
    family.into_kernel(rflags=OFF)
    child = family.fork()
    zombie, living = fork_of(family, child), fork_of(family, child)
    dead = end_somehow(family, zombie)
    family.back()
    nothing(family, -1, WNOHANG, 0, "while the child lives, and a grandchild has ended")
    nothing(family, dead.pid, 0, -ECHILD, "for a grandchild")
    for pid in (family.parent.pid, 99999, -99999):
        nothing(family, pid, 0, -ECHILD, "for what is no child")
    nothing(family, -2147483648, 0, -ESRCH, "for a number whose negative is none")
    nothing(family, -1, WCLONE, -ECHILD, "for clones: children that do not end with SIGCHLD")
    family.into_kernel(rflags=OFF)
    parent = end_somehow(family, child)
    family.back()
    both = [dead, parent]
    both.remove(reap(family, both, -1))
    reap(family, both, -1)
    nothing(family, living.pid, WNOHANG, 0, "for an orphan that lives: it is the first's now")
    family.into_kernel(rflags=OFF)
    last = end_somehow(family, living)
    family.back()
    reap(family, [last], -1)
    nothing(family, -1, 0, -ECHILD, "when all are gone")


def check_errors(family: Family) -> None:
    """EINVAL leaves the zombie, EFAULT takes it; no status wanted is no error."""
    family.into_kernel(rflags=OFF)
    free = family.count_free()
    first, second, third, fourth = (end_somehow(family, family.fork()) for _ in range(4))
    family.back()
    for options in (4, 0x10, 0x100, -1):
        nothing(family, -1, options, -EINVAL, "with an option that there is not")
    equal(wait(family, first.pid), first.pid, "wait4 with no place for the status")
    bad = (USER_END - 2, family.m.sym("kmain"), 8)
    for ended, at in zip((second, third, fourth), bad):
        equal(wait(family, ended.pid, 0, at), -EFAULT, f"wait4 with the status to go to {at:#x}")
        nothing(family, ended.pid, WNOHANG, -ECHILD,
                "after one that was -EFAULT: the child is gone")
    family.into_kernel(rflags=OFF)
    equal(family.count_free(), free, "the number of free frames when all children are gone")
    family.back()


class Asleep:
    """A wait4 that waits."""

    def __init__(self, family: Family, pid: int) -> None:
        self.f, self.at = family, family.program.data + 0x100
        self.goal = family.program.syscall + 2
        family.plant(rip=family.program.syscall, rax=SYS_wait4, rdi=pid % WORD, rsi=self.at,
                     rdx=0, rflags=OFF)
        self.falls_asleep("while no such child has ended")

    def falls_asleep(self, when: str) -> None:
        m = self.f.m
        stop = m.run_to("sleep_on", self.goal)
        expect(stop != self.goal, f"wait4 {when} returns {show(m.regs.rax)}",
               "it waits: sleep_on is called")
        equal(m.regs.rdi, self.f.parent.address, f"what wait4 {when} sleeps on",
              "current_process: a child that ends wakes that")
        expect(not m.regs.rflags & IF, f"wait4 {when} calls sleep_on with interrupts on",
               "interrupts are off from the look at the children to the sleep")

    def wake(self) -> None:
        leave(self.f.m, self.f.rng.getrandbits(64))  # nothing: what is left in RAX

    def returns(self, expected: int, what: str) -> None:
        stop = self.f.m.run_to(self.goal, "sleep_on")
        expect(stop == self.goal, f"wait4 sleeps again {what}", f"it returns {expected}")
        equal(self.f.m.regs.rax, expected % WORD, f"wait4 {what}")


def check_waiting(family: Family) -> None:
    """It sleeps until the right child has ended; a wakeup alone means nothing."""
    f = family
    f.into_kernel(rflags=OFF)
    child, other = f.fork(), f.fork()
    f.back()
    for pid in (-1, child.pid):
        nothing(f, pid, WNOHANG, 0, "while the child lives")
    asleep = Asleep(f, child.pid)
    asleep.wake()
    asleep.falls_asleep("after a wakeup that meant nothing")
    end_somehow(f, other)
    asleep.wake()
    asleep.falls_asleep("for one child, when another has ended,")
    ended = end_somehow(f, child)
    asleep.wake()
    asleep.returns(ended.pid, "when the child has ended")
    equal(f.m.memory.u32(asleep.at), ended.status, "the status of a child that was waited for")
