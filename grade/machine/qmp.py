"""QEMU's control protocol: commands in, answers and events out, one JSON object per line."""

from __future__ import annotations

import collections
import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grade.errors import BadMachine
from grade.machine.pump import BACKSTOP, Pump

EVENTS_KEPT = 1000
TABLE = re.compile(r"^(GDT|IDT)= *([0-9a-f]+) ([0-9a-f]+)", re.M)
SEGMENT = re.compile(r"^(LDT|TR) *= *([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)", re.M)
FLAGS = re.compile(r"\b[ER]FL=([0-9a-f]+)")
BYTE = re.compile(r"0x([0-9a-f]{2})\b")
CODE = re.compile(r"^CS =[0-9a-f]+ ([0-9a-f]+)", re.M)
CONTROL = re.compile(r"\bCR0=([0-9a-f]+)")


class QmpError(Exception):
    """QEMU refused a command, or hung up."""


@dataclass(frozen=True)
class Table:
    """A descriptor table register: GDTR or IDTR."""

    base: int
    limit: int


@dataclass(frozen=True)
class SystemSegment:
    """TR or LDTR with its hidden part."""

    selector: int
    base: int
    limit: int
    attributes: int


@dataclass(frozen=True)
class SystemRegisters:
    """What the gdb protocol does not show."""

    gdtr: Table
    idtr: Table
    tr: SystemSegment
    ldtr: SystemSegment
    halted: bool
    rflags: int
    ring: int
    flat: bool  # protected mode or long mode, and code begins at 0: RIP is a linear address


def _flat(text: str) -> bool:
    code, control = CODE.search(text), CONTROL.search(text)
    return bool(code and control and int(code[1], 16) == 0 and int(control[1], 16) & 1)


class Qmp:
    """A connection to the control socket."""

    def __init__(self, path: Path, pump: Pump) -> None:
        self._pump = pump
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._partial = b""
        self._answers: collections.deque[dict[str, Any]] = collections.deque()
        self.events: collections.deque[dict[str, Any]] = collections.deque(maxlen=EVENTS_KEPT)
        pump.add(self._socket.fileno(), self._feed)
        self.command("qmp_capabilities")

    def _feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "event" in message:
                self.events.append(message)
            elif "QMP" not in message:
                self._answers.append(message)

    def command(self, name: str, **arguments: Any) -> Any:
        """Execute a command and return its answer."""
        request = {"execute": name, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise QmpError(f"QEMU hung up ({error})") from error
        self._wait(lambda: bool(self._answers), name)
        answer = self._answers.popleft()
        if "error" in answer:
            raise QmpError(f"{name}: {answer['error'].get('desc')}")
        return answer.get("return")

    def wait_for(self, event: str, **data: str) -> None:
        """Wait until such an event has been seen."""
        def seen() -> bool:
            return any(each["event"] == event and data.items() <= each.get("data", {}).items()
                       for each in self.events)
        self._wait(seen, event)

    @property
    def shutdown(self) -> str:
        """Why the machine has stopped for ever, in QEMU's word, or "" if it has not."""
        return next((str(each["data"]["reason"]) for each in self.events
                     if each["event"] == "SHUTDOWN"), "")

    def _wait(self, ready: Any, what: str) -> None:
        deadline = time.monotonic() + BACKSTOP
        while not ready():
            if self._pump.ended(self._socket.fileno()):
                raise QmpError(f"QEMU hung up during {what}")
            if time.monotonic() > deadline:
                raise BadMachine(f"QEMU has not answered to {what} for {BACKSTOP:.0f} seconds")
            self._pump.turn(0.1)

    def monitor(self, line: str) -> str:
        """A command of the human monitor, and the text that it prints."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def system_registers(self) -> SystemRegisters:
        """Registers that only the monitor shows."""
        text = self.monitor("info registers")
        tables = {name: Table(int(base, 16), int(limit, 16))
                  for name, base, limit in TABLE.findall(text)}
        segments = {name: SystemSegment(*(int(field, 16) for field in fields))
                    for name, *fields in SEGMENT.findall(text)}
        flags = FLAGS.search(text)
        return SystemRegisters(tables["GDT"], tables["IDT"], segments["TR"], segments["LDT"],
                               "HLT=1" in text, int(flags[1], 16) if flags else 0,
                               0 if "CPL=0" in text else 3, _flat(text))

    def next_code(self, size: int) -> bytes:
        """What the processor is about to execute; nothing if it cannot be read."""
        return bytes(int(byte, 16) for byte in BYTE.findall(self.monitor(f"x /{size}xb $pc")))

    def quit(self) -> None:
        """Ask QEMU to end. It may do so before it answers."""
        with contextlib.suppress(QmpError):
            self.command("quit")

    def close(self) -> None:
        self._pump.remove(self._socket.fileno())
        self._socket.close()
