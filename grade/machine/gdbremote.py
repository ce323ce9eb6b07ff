"""The gdb remote protocol as QEMU speaks it: registers, memory, breakpoints, run and stop."""

from __future__ import annotations

import collections
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from grade.errors import BadMachine
from grade.machine.layout import RFLAGS_RF, SIGTRAP
from grade.machine.pump import BACKSTOP, Pump

LONGEST_TRANSFER = 1024  # of memory, in bytes: QEMU's packets hold a little less than 2048
STEP_TRIES = 4
GDB_QUIT = 3  # the "signal" that QEMU reports when the machine has shut down

GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
           "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
BASES = ("fs_base", "gs_base", "k_gs_base", "cr0", "cr2", "cr3", "cr4", "cr8", "efer")
NAMES = (*GENERAL, "rip", "rflags", *SEGMENTS, *BASES)  # in the order of their numbers
LAYOUT = struct.Struct("<17Q I 6I 9Q")  # of the beginning of a `g` packet
RFLAGS = NAMES.index("rflags")


@dataclass(frozen=True)
class Registers:
    """What the processor holds. (The stub shows 32 bits of each outside 64-bit code.)"""

    rax: int
    rbx: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    rbp: int
    rsp: int
    r8: int
    r9: int
    r10: int
    r11: int
    r12: int
    r13: int
    r14: int
    r15: int
    rip: int
    rflags: int
    cs: int
    ss: int
    ds: int
    es: int
    fs: int
    gs: int
    fs_base: int
    gs_base: int
    k_gs_base: int
    cr0: int
    cr2: int
    cr3: int
    cr4: int
    cr8: int
    efer: int

    @property
    def cpl(self) -> int:
        """The privilege level the processor runs at."""
        return self.cs & 3


class GdbError(Exception):
    """The stub refused a request."""


class HungUp(Exception):
    """QEMU has gone while an answer was awaited."""


class Gdb:
    """A connection to the stub."""

    def __init__(self, path: Path, pump: Pump) -> None:
        self._pump = pump
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._partial = b""
        self._owed = b""  # acknowledgements
        self._replies: collections.deque[bytes] = collections.deque()
        self.running = False
        pump.add(self._socket.fileno(), self._feed)
        # Only who has begun to read the description of the registers may write single ones.
        self._demand("qXfer:features:read:target.xml:0,10")

    def _feed(self, data: bytes) -> None:
        """Cut complete packets, `$body#sum`, out of the stream. A unix socket needs no checking
        of sums, but the stub waits for each packet to be acknowledged: that goes out with the next
        one of ours, for a byte by itself wakes QEMU once more."""
        self._partial += data
        while True:
            start, end = self._partial.find(b"$"), self._partial.find(b"#")
            if start < 0 or end < 0 or len(self._partial) < end + 3:
                return
            self._replies.append(self._partial[start + 1:end])
            self._partial = self._partial[end + 3:]
            self._owed += b"+"

    def _write(self, data: bytes) -> None:
        data, self._owed = self._owed + data, b""
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # reading will find out

    def _send(self, body: bytes) -> None:
        self._write(b"$%b#%02x" % (body, sum(body) & 0xFF))

    def request(self, body: str) -> bytes:
        """Send a packet and wait for the answer. The machine must be stopped."""
        self._send(body.encode())
        return self._reply()

    def _reply(self) -> bytes:
        deadline = time.monotonic() + BACKSTOP
        while not self._replies:
            if self.gone:
                raise HungUp
            if time.monotonic() > deadline:
                raise BadMachine(f"QEMU's gdb stub has not answered for {BACKSTOP:.0f} seconds")
            self._pump.turn(0.1)
        return self._replies.popleft()

    def _demand(self, body: str) -> bytes:
        reply = self.request(body)
        if reply == b"" or reply.startswith(b"E"):
            raise GdbError(f"{body[:40]}: {reply.decode() or 'not supported'}")
        return reply

    @property
    def gone(self) -> bool:
        return not self._replies and self._pump.ended(self._socket.fileno())

    # Registers

    def registers(self) -> Registers:
        """All of them, RFLAGS without RF, which is the processor's own affair."""
        data = bytes.fromhex(self._demand("g").decode())
        values = list(LAYOUT.unpack_from(data))
        values[RFLAGS] &= ~RFLAGS_RF
        return Registers(*values)

    def set_register(self, name: str, value: int) -> None:
        size = 4 if name in SEGMENTS or name == "rflags" else 8
        data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self._demand(f"P{NAMES.index(name):x}={data.hex()}")

    # Memory, by virtual address; QEMU forgets translated code that is written over

    def read(self, address: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            length = min(LONGEST_TRANSFER, size - len(data))
            data += bytes.fromhex(self._demand(f"m{address + len(data):x},{length:x}").decode())
        return data

    def write(self, address: int, data: bytes) -> None:
        for i in range(0, len(data), LONGEST_TRANSFER):
            piece = data[i:i + LONGEST_TRANSFER]
            self._demand(f"M{address + i:x},{len(piece):x}:{piece.hex()}")

    # Breakpoints: compared with RIP, no byte of the program changes

    def insert(self, address: int) -> None:
        self._demand(f"Z0,{address:x},1")

    def remove(self, address: int) -> None:
        self._demand(f"z0,{address:x},1")

    def watch(self, address: int, size: int = 8, access: str = "write") -> None:
        """Stop at an access to memory, by virtual address."""
        kind = {"write": 2, "read": 3, "access": 4}[access]
        self._demand(f"Z{kind},{address:x},{size:x}")

    def unwatch(self, address: int, size: int = 8, access: str = "write") -> None:
        kind = {"write": 2, "read": 3, "access": 4}[access]
        self._demand(f"z{kind},{address:x},{size:x}")

    # Running

    def resume(self) -> None:
        """Let the machine run; take_stop tells when it has stopped."""
        self._send(b"c")
        self.running = True

    def take_stop(self) -> int | None:
        """The signal number the machine has stopped with, or None while it runs."""
        if not self._replies:
            return None
        self.running = False
        return int(self._replies.popleft()[1:3], 16)

    def interrupt(self) -> None:
        """Stop the running machine."""
        self._write(b"\x03")
        self._reply()
        self.running = False

    def step(self) -> int:
        """One instruction; the signal it stopped with.

        Now and then QEMU stops before the instruction: when all that it did was to ask its
        interrupt controller (CPU_INTERRUPT_POLL in its cpu_handle_interrupt). No register has
        changed then, so it is asked again. `jmp $`, which changes none either, bears that."""
        before = self._demand("g")
        for _ in range(STEP_TRIES):
            signal = int(self.request("s")[1:3], 16)
            if signal != SIGTRAP or self._demand("g") != before:
                break
        return signal

    def close(self) -> None:
        """Hang up. QEMU leaves the machine as it is, stopped or running."""
        self._pump.remove(self._socket.fileno())
        self._socket.close()
