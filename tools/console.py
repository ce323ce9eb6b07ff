"""A machine's serial console on this terminal, with file and line beside every code address.

QEMU's output passes through unchanged and at once. Where a line holds an address as the kernel
prints it in a backtrace, `[<ffffffff80101234>]`, the place in the source is written behind it.
Whatever happens, QEMU does not outlive us and the terminal is as it was before.
"""

from __future__ import annotations

import functools
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

from grade import toolchain

ADDRESS = re.compile(rb"\[<([0-9a-f]{16})>\]")
RIP = re.compile(rb"\brip[ =:]+(?:0x)?([0-9a-f]{16})\b", re.IGNORECASE)
LONGEST_LINE = 4096
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Locate = Callable[[int], "str | None"]


def addr2line(kernel: Path) -> Locate:
    """A function from an address in the kernel to `file.c:42`, or None where nothing is known."""
    @functools.lru_cache(maxsize=None)
    def locate(address: int) -> str | None:
        try:
            said = subprocess.run([toolchain.tool("addr2line"), "-e", kernel, f"{address:#x}"],
                                  text=True, capture_output=True).stdout
        except OSError:
            return None
        place = said.split(" ")[0].strip().rpartition("/")[2]
        return None if not place or "?" in place else place
    return locate


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


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """QEMU, and our signals still held: who unblocks them has to end it from then on. In between
    it would run and nobody know its number."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    return subprocess.Popen(command, stdout=subprocess.PIPE,
                            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))


def output(qemu: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What QEMU prints. Ends us when the terminal is gone: if that was make's, SIGHUP goes to make
    alone, and make waits for us."""
    assert qemu.stdout is not None
    pipe, poll = qemu.stdout.fileno(), select.poll()
    poll.register(pipe, select.POLLIN)
    if os.isatty(0):
        poll.register(0, 0)  # what is typed is for QEMU
    while True:
        ready = dict(poll.poll())
        if pipe in ready:
            data = os.read(pipe, 65536)
            if not data:
                return
            yield data
        elif ready[0] & select.POLLNVAL:  # macOS has no poll for terminals
            poll.unregister(0)
        else:
            leave(signal.SIGHUP, None)


def attend(command: list[str], kernel: Path) -> int:
    """Run QEMU with its standard output on ours until it leaves. Returns its exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    annotator = Annotator(addr2line(kernel))
    with terminal_restored():
        qemu = start(command)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            for data in output(qemu):
                write_all(annotator.feed(data))
            return qemu.wait()
        finally:
            qemu.kill()
            qemu.wait()
