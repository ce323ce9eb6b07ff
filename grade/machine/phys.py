"""The guest's physical memory, seen through a file in memory that QEMU and the grader share."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

from grade.machine.layout import PAGE
from grade.outcome import Failure, Outcome

SPLIT = 3 << 30  # RAM beyond so much continues at 4 GiB: below are devices
FOUR_GIB = 4 << 30
PATTERN = 1 << 20
PIECE = 1 << 16


class OutsideRam(Failure):
    """A physical address that leads nowhere: it usually comes from the kernel, so it is wrong."""

    def __init__(self, pa: int, size: int, ram: int) -> None:
        super().__init__(Outcome.WRONG, f"physical address {pa:#x} ({size} bytes) is not in RAM",
                         f"an address within the machine's {ram >> 20} MiB")


class Ram:
    """The file: created before QEMU starts, and read and written while it runs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fd = os.memfd_create("rung-ram", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)

    def fill(self, start: int, end: int, value: int) -> None:
        """Set a range to one byte. Writing is three times as fast as touching mapped pages."""
        pattern = bytes([value]) * min(PATTERN, end - start)
        while start < end:
            buffers = [pattern] * min((end - start) // len(pattern), 512)
            start += os.pwritev(self.fd, buffers or [pattern[:end - start]], start)

    def close(self) -> None:
        os.close(self.fd)


class PhysicalMemory:
    """Read and write by physical address; after the machine's end, too."""

    def __init__(self, ram: Ram) -> None:
        self.size = ram.size
        self._bytes = mmap.mmap(ram.fd, ram.size)
        self._words = memoryview(self._bytes).cast("Q")

    def contains(self, pa: int, size: int = 1) -> bool:
        low = min(self.size, SPLIT)
        return (0 <= pa and pa + size <= low) or (
            FOUR_GIB <= pa and pa + size <= FOUR_GIB + self.size - low)

    def _offset(self, pa: int, size: int) -> int:
        if not self.contains(pa, size):
            raise OutsideRam(pa, size, self.size)
        return pa if pa < SPLIT else pa - FOUR_GIB + SPLIT

    def read(self, pa: int, size: int) -> bytes:
        offset = self._offset(pa, size)
        return self._bytes[offset:offset + size]

    def write(self, pa: int, data: bytes) -> None:
        offset = self._offset(pa, len(data))
        self._bytes[offset:offset + len(data)] = data

    def save(self) -> list[bytes]:
        """All of it as it is now, in pieces. Most are as the one before: such are kept once."""
        saved = [b""]
        for _, piece in self._pieces():
            saved.append(saved[-1] if piece == saved[-1] else piece)
        return saved[1:]

    def restore(self, saved: list[bytes]) -> None:
        """Write back what has changed since."""
        for (offset, now), before in zip(self._pieces(), saved):
            if now != before:
                self._bytes[offset:offset + PIECE] = before

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        return ((offset, self._bytes[offset:offset + PIECE])
                for offset in range(0, self.size, PIECE))

    def table(self, pa: int) -> list[int]:
        """The 512 entries of the page table at pa."""
        word = self._offset(pa, PAGE) >> 3
        return self._words[word:word + 512].tolist()

    def u64(self, pa: int) -> int:
        return int(struct.unpack_from("<Q", self._bytes, self._offset(pa, 8))[0])

    def set_u64(self, pa: int, value: int) -> None:
        struct.pack_into("<Q", self._bytes, self._offset(pa, 8), value & (1 << 64) - 1)
