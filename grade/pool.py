"""Tasks in processes of their own, so many at once: nothing leaks from one into the next.

A child is forked, so it starts in milliseconds with everything that the parent has read. It is
the leader of its own process group: an interrupt from the terminal reaches only the parent, which
ends the children in turn. A child whose parent is killed is told so by the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pickle
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, Generic, TypeVar, Union

PR_SET_PDEATHSIG = 1
GRACE = 3.0
TICK = 0.1
HELD = {signal.SIGINT, signal.SIGTERM}

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Died:
    """A child that gave no result: killed at its time limit, crashed, or a bug in it."""

    why: str
    output: str


@dataclass
class Child(Generic[Task]):
    """A running task: its process, the pipe its result comes through, what it prints."""

    task: Task
    pid: int
    pipe: int
    output: IO[bytes]
    began: float = field(default_factory=time.monotonic)
    data: bytearray = field(default_factory=bytearray)
    expired: bool = False


class Pool(Generic[Task, Result]):
    """Runs `work` on each task in a child, and yields the results as they come."""

    def __init__(self, work: Callable[[Task], Result], jobs: int, limit: float,
                 on_start: Callable[[Task], None] = lambda task: None,
                 on_tick: Callable[[], None] = lambda: None) -> None:
        self.work, self.jobs, self.limit = work, max(1, jobs), limit
        self.on_start, self.on_tick = on_start, on_tick
        self.children: dict[int, Child[Task]] = {}
        self.selector = selectors.DefaultSelector()

    def run(self, tasks: Sequence[Task]) -> Generator[tuple[Task, Union[Result, Died]],
                                                      None, None]:
        """Each task with its result. However this ends, no child is left."""
        waiting = list(tasks)
        try:
            while waiting or self.children:
                while waiting and len(self.children) < self.jobs:
                    self.start(waiting.pop(0))
                yield from self.finished()
                self.on_tick()
        finally:
            self.end_all()
            self.selector.close()

    def start(self, task: Task) -> None:
        reader, writer = os.pipe()
        output = tempfile.TemporaryFile()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        with held_signals():
            pid = os.fork()
            if pid == 0:
                live_as_child(parent, self.work, task, writer, output)
            os.close(writer)
            set_group(pid)
            self.children[reader] = Child(task, pid, reader, output)
            self.selector.register(reader, selectors.EVENT_READ)
        self.on_start(task)

    def finished(self) -> Iterator[tuple[Task, Union[Result, Died]]]:
        """Read what arrived, for a moment; a pipe's end is a child's end."""
        for key, _ in self.selector.select(TICK):
            child = self.children[key.fd]
            chunk = os.read(child.pipe, 1 << 16)
            child.data += chunk
            if not chunk:
                yield child.task, self.reap(child)
        for child in self.children.values():
            overdue = time.monotonic() - child.began - self.limit
            if overdue > 0:
                signal_child(child, signal.SIGTERM if overdue < GRACE else signal.SIGKILL)
                child.expired = True

    def reap(self, child: Child[Task]) -> Union[Result, Died]:
        """Collect an ended child. Its group is killed first, while its pid is still its own."""
        with held_signals():
            signal_child(child, signal.SIGKILL)
            self.selector.unregister(child.pipe)
            os.close(child.pipe)
            del self.children[child.pipe]
            _, status = os.waitpid(child.pid, 0)
        child.output.seek(0)
        output = child.output.read().decode(errors="replace")
        child.output.close()
        if child.expired:
            return Died(f"it was stopped after {self.limit:g} seconds", output)
        if not child.data:
            return Died(f"its process ended with status {os.waitstatus_to_exitcode(status)}",
                        output)
        result: Union[Result, Died] = pickle.loads(child.data)
        return result

    def end_all(self) -> None:
        """Ask all children to end, so that each ends what it started; then insist."""
        with held_signals():
            self._end_all()

    def _end_all(self) -> None:
        for child in self.children.values():
            os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self.children and time.monotonic() < deadline:
            for key, _ in self.selector.select(TICK):
                if not os.read(key.fd, 1 << 16):
                    self.reap(self.children[key.fd])
        for child in list(self.children.values()):
            self.reap(child)


def signal_child(child: Child[Task], number: int) -> None:
    """SIGTERM goes to the child, to clean up; SIGKILL to all of its group."""
    try:
        if number == signal.SIGKILL:
            os.killpg(child.pid, number)
        else:
            os.kill(child.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def live_as_child(parent: int, work: Callable[[Task], Result], task: Task, writer: int,
                  output: IO[bytes]) -> None:
    """Do the task, send its result, and leave without running the parent's clean-up."""
    status = 1
    gc.freeze()  # to look for garbage in the parent's memory is to copy it
    try:
        settle(parent, output)
        result = pickle.dumps(work(task))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(result)
        status = 0
    except KeyboardInterrupt:
        status = 128 + signal.SIGTERM
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:  # also if it is asked to end just now
            os._exit(status)


def settle(parent: int, output: IO[bytes]) -> None:
    """Become the leader of a group, silent, and mortal with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    set_group(0)
    end_with_parent(parent)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    sys.stdout = open(1, "w", closefd=False)
    sys.stderr = open(2, "w", closefd=False)


@contextlib.contextmanager
def held_signals() -> Iterator[None]:
    """No interrupt between what happens to a child and its entry in the books, nor in a child
    not yet settled."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C would, so that every `finally` runs; once."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def set_group(pid: int) -> None:
    """Parent and child both ask, since either may be first."""
    try:
        os.setpgid(pid, pid)
    except (PermissionError, ProcessLookupError):
        pass


def end_with_parent(parent: int) -> None:
    """Linux only: elsewhere a parent that is killed outright leaves its children to their limit."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            raise KeyboardInterrupt
