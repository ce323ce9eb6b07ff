"""One select loop for everything that QEMU says: whoever waits for one stream drains them all.

A pipe that nobody reads fills, and the program behind it stops in the middle of whatever it was
doing. So nothing here reads a stream of its own accord: each instrument registers what to do when
its stream has something, and waiting anywhere means turning this loop."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable

CHUNK = 1 << 16
BACKSTOP = 900.0  # seconds without an answer from QEMU: this computer is no place to grade on


class Pump:
    """Streams and what to do with their bytes."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: set[int] = set()

    def add(self, fd: int, feed: Callable[[bytes], None]) -> None:
        """From now on, hand what arrives on fd to feed; the end of the stream is no news."""
        os.set_blocking(fd, False)
        self._selector.register(fd, selectors.EVENT_READ, feed)
        self._open.add(fd)

    def remove(self, fd: int) -> None:
        if fd in self._open:
            self._selector.unregister(fd)
            self._open.discard(fd)

    def turn(self, timeout: float) -> bool:
        """Wait for something to arrive, at most so long; tell whether anything did."""
        arrived = False
        for key, _ in self._selector.select(timeout):
            data = _read(key.fd)
            if data:
                key.data(data)
                arrived = True
            else:
                self.remove(key.fd)
        return arrived

    def drain(self) -> None:
        """Take what is there already, without waiting."""
        while self._open and self.turn(0):
            pass

    def ended(self, fd: int) -> bool:
        return fd not in self._open

    def close(self) -> None:
        self._selector.close()
        self._open.clear()


def _read(fd: int) -> bytes:
    """A socket whose other end was killed says so by an error: the same as its end."""
    try:
        return os.read(fd, CHUNK)
    except BlockingIOError:  # pragma: no cover (select promised otherwise)
        return b""
    except OSError:
        return b""
