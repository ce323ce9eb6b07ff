"""QEMU's log of interrupts, exceptions and resets (`-d int,cpu_reset`), read line by line."""

from __future__ import annotations

import collections
import re
from dataclasses import dataclass, field

from grade.machine.layout import VECTOR_PF

KEPT = 4096
TAIL = 200

ENTRY = re.compile(
    r"\s*(\d+): v=([0-9a-f]+) e=([0-9a-f]+) i=(\d) cpl=(\d) IP=([0-9a-f]+):([0-9a-f]+)"
    r" pc=[0-9a-f]+ SP=([0-9a-f]+):([0-9a-f]+) (?:CR2|env->regs\[R_EAX\])=([0-9a-f]+)")
CLASH = re.compile(r"check_exception old: 0x([0-9a-f]+) new 0x([0-9a-f]+)")
REGISTER = re.compile(r"\b(R[A-Z0-9]{1,2}|E[A-Z]{2}|CR[0-4]) ?=([0-9a-f]+)")
SERVED = "Servicing hardware INT="
NONE = 0xFFFF_FFFF
IDT_BIT = 1 << 1  # in the error code of #TS, #NP, #SS, #GP
FRAME = 64  # bytes that the processor may push, alignment included


@dataclass
class Interrupt:
    """An interrupt or exception that the processor began to deliver."""

    number: int
    vector: int
    error: int
    software: bool  # by an int instruction
    hardware: bool  # by a device
    cpl: int
    cs: int
    ip: int
    ss: int
    sp: int
    cr2: int | None  # of a page fault
    registers: dict[str, int] = field(default_factory=dict, repr=False)
    failed_with: int | None = None  # the exception that happened while this one was delivered


class InterruptLog:
    """The newest interrupts, the end of the text, and whether the machine reset itself."""

    def __init__(self) -> None:
        self.interrupts: collections.deque[Interrupt] = collections.deque(maxlen=KEPT)
        self.tail: collections.deque[str] = collections.deque(maxlen=TAIL)
        self.traced: collections.deque[str] = collections.deque(maxlen=KEPT)
        self.trace_names: tuple[str, ...] = ()
        self.triple_fault = False
        self.last_clash: tuple[int, int] | None = None  # what the triple fault came of
        self.total = 0
        self.exceptions = 0  # and `int` instructions
        self.ticks = 0  # the newest interrupts, as far as they found the kernel at one place
        self._partial = b""
        self._served: int | None = None

    def feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[-4096:]
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        self.tail.append(line)
        if " v=" in line and (match := ENTRY.match(line)):
            self._interrupt(match)
        elif line.startswith("check_exception") and (match := CLASH.match(line)):
            self._clash(int(match[1], 16), int(match[2], 16))
        elif line.startswith(SERVED):
            self._served = int(line[len(SERVED):], 16)
        elif line.startswith("Triple fault"):
            self.triple_fault = True
        elif line[:1] in ("R", "E", "C") and self.interrupts:
            self._registers(line)
        elif self.trace_names and line.startswith(self.trace_names):
            self.traced.append(line)

    def _interrupt(self, match: re.Match[str]) -> None:
        number, software, cpl = int(match[1]), match[4] == "1", int(match[5])
        vector, error, cs, ip, ss, sp, last = (
            int(match[i], 16) for i in (2, 3, 6, 7, 8, 9, 10))
        self.total += 1
        hardware = vector == self._served
        self._served = None
        self._count(hardware, cpl, ip)
        self.interrupts.append(Interrupt(
            number, vector, error, software, hardware, cpl, cs, ip, ss, sp,
            last if vector == VECTOR_PF and not software else None))

    def _count(self, hardware: bool, cpl: int, ip: int) -> None:
        before = self.interrupts[-1] if self.interrupts else None
        same = before is not None and before.hardware and before.ip == ip
        self.ticks = self.ticks + 1 if hardware and same and cpl == 0 else 0
        self.exceptions += not hardware

    def _clash(self, old: int, new: int) -> None:
        if old != NONE:
            self.last_clash = (old, new)
            if self.interrupts and self.interrupts[-1].vector == old:
                self.interrupts[-1].failed_with = new

    def _registers(self, line: str) -> None:
        registers = self.interrupts[-1].registers
        for name, value in REGISTER.findall(line):
            registers.setdefault(name, int(value, 16))

    def chain(self) -> list[Interrupt]:
        """The exceptions, oldest first, of which each failed to be delivered and so led to the
        next: what a triple fault is made of."""
        found: list[Interrupt] = []
        for each in reversed(self.interrupts):
            if each.failed_with is None and not (found and _came_of(found[0], each)):
                break
            each.failed_with = found[0].vector if found else each.failed_with
            found.insert(0, each)
        return found


def _came_of(event: Interrupt, before: Interrupt) -> bool:
    """Whether an exception happened while a harmless one (#UD, an interrupt) was delivered: then
    QEMU names no clash, but it is at the same place, and about the IDT or the stack."""
    if (event.cs, event.ip, event.sp) != (before.cs, before.ip, before.sp):
        return False
    if event.cr2 is not None:
        return before.cr2 is None and event.sp - FRAME <= event.cr2 < event.sp
    return event.vector in (10, 11, 12, 13) and bool(event.error & IDT_BIT)
