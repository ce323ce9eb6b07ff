"""A machine's serial console on this terminal, with file and line beside every code address.

QEMU's output passes through unchanged and at once. Where a line holds an address as the kernel
prints it in a backtrace, `[<ffffffff80101234>]`, the place in the source is written behind it.
Input that nobody types, from a pipe or a file, waits until the kernel has set its serial port up,
since it would be lost before. Its end is Ctrl-D, for every program that asks.
Whatever happens, QEMU does not outlive us and the terminal is as it was before.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grade.machine.elf import BadElf
from grade.machine.symbols import Symbols


ADDRESS = re.compile(rb"\[<([0-9a-f]{16})>\]")
RIP = re.compile(rb"\brip[ =:]+(?:0x)?([0-9a-f]{16})\b", re.IGNORECASE)
LONGEST_LINE = 4096
END_OF_INPUT = b"\x04" * 16  # Ctrl-D, as often as a serial port has room for it
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Locate = Callable[[int], "str | None"]


def places(kernel: Path) -> Locate:
    """A function from an address in the kernel to `file.c:42`, or None where nothing is known."""
    try:
        symbols = Symbols(kernel)
    except (BadElf, OSError):
        return lambda address: None
    return lambda address: symbols.line(address) or None


class Annotator:
    """Adds places in the source to lines that pass through in pieces of any size."""

    def __init__(self, locate: Locate) -> None:
        self.locate = locate
        self.line = b""
        self.held = b""
        self.rip: int | None = None

    def feed(self, data: bytes) -> bytes:
        """What to show for these bytes. A carriage return waits for what comes after it, because
        the remark belongs before it."""
        data = self.held + data
        body = data.rstrip(b"\r")
        self.held = data[len(body):]
        *ended, rest = body.split(b"\n")
        shown = b"".join(self.end_line(part) for part in ended)
        self.line = (self.line + rest)[:LONGEST_LINE]
        return shown + rest

    def end_line(self, part: bytes) -> bytes:
        text = part.rstrip(b"\r")
        remark = self.remark(self.line + text)
        self.line = b""
        return text + remark + part[len(text):] + b"\n"

    def remark(self, line: bytes) -> bytes:
        """The places of a line's addresses. An address that was printed as RIP is where something
        happened; any other one is a return address, and the call lies before it."""
        rip = RIP.search(line)
        if rip:
            self.rip = int(rip[1], 16)
        addresses = [int(found, 16) for found in ADDRESS.findall(line)]
        places = [self.locate(a if a == self.rip else a - 1) for a in addresses]
        return "".join(f" ({place})" for place in places if place).encode()


@contextmanager
def terminal_restored() -> Iterator[None]:
    """QEMU makes the terminal raw and its descriptor non-blocking. Undo both."""
    try:
        settings = termios.tcgetattr(0)
    except (termios.error, OSError):
        settings = None
    try:
        yield
    finally:
        if settings is not None:
            os.set_blocking(0, True)
            with suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(0, termios.TCSANOW, settings)


def leave(number: int, _frame: object) -> None:
    """A signal that would end us ends us by way of every `finally`."""
    sys.exit(128 + number)


def write_all(data: bytes) -> None:
    """Write to a terminal that QEMU may have made non-blocking."""
    while data:
        try:
            data = data[os.write(1, data):]
        except BlockingIOError:
            select.select([], [1], [])


class Feed:
    """What QEMU gets to read where nobody types. QEMU takes no more than the serial port has room
    for, and a port drops nothing once the kernel has set it up: so no byte is lost."""

    def __init__(self, pipe: int, awake: bytes) -> None:
        self.pipe, self.awake = pipe, awake
        self.said: bytes | None = b""  # until the kernel has said that it is awake
        self.waiting = b""
        self.ended = False

    def heard(self, data: bytes) -> None:
        """The machine has printed something."""
        if self.said is not None:
            self.said += data
            self.said = None if self.awake in self.said else self.said[-len(self.awake):]

    def wants(self) -> list[tuple[int, int]]:
        """What to wait for: input, or room for it."""
        if self.said is not None or self.pipe < 0:
            return []
        return [(self.pipe, select.POLLOUT) if self.waiting or self.ended else (0, select.POLLIN)]

    def go_on(self, ready: dict[int, int]) -> None:
        """Take what there is, or hand it on."""
        if 0 in ready:
            self.waiting = os.read(0, 4096)
            self.ended = not self.waiting
        elif self.pipe in ready:
            try:
                data = self.waiting or END_OF_INPUT
                self.waiting = data[os.write(self.pipe, data):]
            except BrokenPipeError:  # QEMU is leaving
                self.pipe = -1


def start(command: list[str], stdin: int | None) -> subprocess.Popen[bytes]:
    """QEMU, and our signals still held: who unblocks them has to end it from then on. In between
    it would run and nobody know its number."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, bufsize=0,
                            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))


def output(qemu: subprocess.Popen[bytes], feed: Feed | None) -> Iterator[bytes]:
    """What QEMU prints. Ends us when the terminal is gone: if that was make's, SIGHUP goes to make
    alone, and make waits for us."""
    assert qemu.stdout is not None
    pipe = qemu.stdout.fileno()
    watched = [(pipe, select.POLLIN)]
    if not feed:
        watched.append((0, 0))  # what is typed is for QEMU
    while True:
        poll = select.poll()
        for number, events in watched + (feed.wants() if feed else []):
            poll.register(number, events)
        ready = dict(poll.poll())
        if pipe in ready:
            data = os.read(pipe, 65536)
            if not data:
                return
            if feed:
                feed.heard(data)
            yield data
        elif feed:
            feed.go_on(ready)
        elif ready[0] & select.POLLNVAL:  # macOS has no poll for terminals
            watched.remove((0, 0))
        else:
            leave(signal.SIGHUP, None)


def attend(command: list[str], kernel: Path, awake: bytes = b"") -> int:
    """Run QEMU with its standard output on ours until it leaves. Returns its exit status. `awake`
    is what the kernel prints before it can take input that nobody types."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    annotator = Annotator(places(kernel))
    typed = os.isatty(0)
    with terminal_restored():
        qemu = start(command, None if typed else subprocess.PIPE)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            feed = None if typed else Feed(pipe_to(qemu), awake)
            for data in output(qemu, feed):
                write_all(annotator.feed(data))
            return qemu.wait()
        finally:
            qemu.kill()
            qemu.wait()


def pipe_to(qemu: subprocess.Popen[bytes]) -> int:
    """Its input, which must not hold us up when it is full."""
    assert qemu.stdin is not None
    os.set_blocking(qemu.stdin.fileno(), False)
    return qemu.stdin.fileno()
