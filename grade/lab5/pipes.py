"""Exercise 5.7: writers of pipes: those that nobody reads from, and those that must not come
between others."""

from __future__ import annotations

import struct

from grade.lab5.processes import Family, Process, ProcessState, running, stop_deadlocks
from grade.lab5.kill import LONGEST, MUCH, WAYS, Scene, Victim
from grade.machine.layout import (SIGKILL, SIGPIPE, SYS_close, SYS_fork, SYS_read, SYS_sched_yield,
                                  SYS_write, SYS_writev)
from grade.outcome import equal, expect

BIT, RECORD, ROOM = 100, 300, 200  # bytes; a record is less than POSIX's least PIPE_BUF, 512
PARTS = 0x300  # where struct iovec lie, behind the data


def check_broken_pipes(family: Family) -> None:
    """As on Linux: SIGPIPE, at once or when the reader goes in the middle; for no byte, nothing."""
    stop_deadlocks(family.m)
    for by in WAYS:
        scene = Scene(family, by)
        _write_without_reader(scene)
        for taken in (0, 100):
            _write_until_reader_goes(scene, taken)


def _write_without_reader(scene: Scene) -> None:
    pid, data = scene.ask(SYS_fork), scene.f.program.data
    child = scene.to_child(pid)
    reader, writer = scene.pipe()
    equal(scene.ask(SYS_close, reader), 0, "close of the only end for reading")
    equal(scene.ask(SYS_write, writer, data, 0), 0,
          "write of no byte to a pipe that nobody can read")
    scene.begin(SYS_write, writer, data, 1)
    scene.to_parent("after a write to a pipe that nobody can read")
    scene.wait_for(Victim(child, pid, SIGPIPE, "that wrote to a pipe that nobody can read"))


def _write_until_reader_goes(scene: Scene, taken: int) -> None:
    reader, writer = scene.pipe()
    pid, data = scene.ask(SYS_fork), scene.f.program.data
    child = scene.to_child(pid)
    equal(scene.ask(SYS_close, reader), 0, "close of the child's end for reading")
    scene.begin(SYS_write, writer, data, MUCH)
    scene.to_parent("while a child waits for room in a pipe")
    scene.let_sleep(child)
    equal(scene.ask(SYS_read, reader, data, taken), taken, "read from a full pipe")
    for end in (reader, writer):
        equal(scene.ask(SYS_close, end), 0, "close")
    scene.wait_for(Victim(child, pid, SIGPIPE, "that had written a part when the reader closed"))


def check_pieces(family: Family) -> None:
    """A small write is one piece in the pipe, and so is a small writev: where there is room for a
    part of it, it waits, and others' bytes that fit come before."""
    stop_deadlocks(family.m)
    for by, call in zip(WAYS, (SYS_write, SYS_writev)):
        scene, what = Scene(family, by), "write" if call == SYS_write else "writev"
        rng, data = family.rng, family.program.data
        reader, writer = scene.pipe()
        before = rng.randbytes(_how_much(scene, reader, writer) - ROOM)
        bit, record = rng.randbytes(BIT), rng.randbytes(RECORD)
        scene.m.memory.write(data, before)
        equal(scene.ask(SYS_write, writer, data, len(before)), len(before),
              "write to an empty pipe")
        scene.m.memory.write(data, record + bit)
        pid = scene.ask(SYS_fork)
        child = scene.to_child(pid)
        scene.begin(call, writer, *_record(scene, call))
        _until_it_returns_or_sleeps(scene, child)
        equal(child.state, ProcessState.BLOCKED,
              f"the state of who has called {what} with {RECORD} bytes, for which there is no room")
        equal(scene.ask(SYS_write, writer, data + RECORD, BIT), BIT,
              f"a write of {BIT} bytes, for which there is room while another waits for more")
        wanted = before + bit
        expect(_read(scene, reader, len(wanted)) == wanted,
               f"a part of what {what} waits to write is in the pipe already",
               "what others have written there was room for",
               "up to PIPE_BUF bytes are not mixed with others' (POSIX, write and writev)")
        scene.begin(SYS_sched_yield)
        _until_it_returns_or_sleeps(scene, child)
        equal((running(scene.m), scene.m.regs.rax), (child, RECORD),
              "who is in ring 3 when there is room, and what its write returns")
        scene.begin(SYS_sched_yield)
        scene.to_parent("after a yield")
        expect(_read(scene, reader, RECORD) == record, "the pipe gives something else",
               "the record, in one piece")
        _end(scene, Victim(child, pid, SIGKILL, "that has written a record"), reader, writer)


def _record(scene: Scene, call: int) -> tuple[int, int]:
    """The arguments of a write of the record, or of a writev of its two parts."""
    data = scene.f.program.data
    if call == SYS_write:
        return data, RECORD
    parts = struct.pack("<4Q", data, BIT, data + BIT, RECORD - BIT)
    scene.m.memory.write(data + PARTS, parts)
    return data + PARTS, 2


def _how_much(scene: Scene, reader: int, writer: int) -> int:
    """How much goes into an empty pipe, but for less than BIT bytes. The pipe is empty again."""
    pid = scene.ask(SYS_fork)
    child, written = scene.to_child(pid), -BIT
    while child.state is not ProcessState.BLOCKED:
        scene.begin(SYS_write, writer, scene.f.program.data, BIT)
        _until_it_returns_or_sleeps(scene, child)
        written += BIT
        expect(written < MUCH, f"{written} bytes are in a pipe, and its writer does not wait",
               "a pipe holds less than two pages")
    victim = Victim(child, pid, SIGKILL, "that has filled a pipe")
    scene.kill(victim)
    scene.wait_for(victim)
    _read(scene, reader, written)
    return written


def _until_it_returns_or_sleeps(scene: Scene, child: Process) -> None:
    """Go on with a child's system call. On a tick it gives way in the middle."""
    for _ in range(LONGEST):
        scene.m.run_to(scene.back)
        if running(scene.m) == child or child.state is ProcessState.BLOCKED:
            return
        scene.begin(SYS_sched_yield)
    expect(False, f"{child} neither comes back from its system call nor sleeps", "one or the other")


def _read(scene: Scene, reader: int, size: int) -> bytes:
    """So many bytes, which are there."""
    data, place = b"", scene.f.program.data + 0x400
    while len(data) < size:
        got = scene.ask(SYS_read, reader, place, min(0x100, size - len(data)))
        expect(got > 0, f"read of a pipe with {size - len(data)} bytes more returns {got}",
               "some of them")
        data += scene.m.memory.read(place, got)
    return data


def _end(scene: Scene, victim: Victim, *files: int) -> None:
    scene.kill(victim)
    scene.wait_for(victim)
    for each in files:
        equal(scene.ask(SYS_close, each), 0, "close")
