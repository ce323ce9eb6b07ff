"""Exercise 1.3: a 16550 UART made of Python (PC16550D data sheet). Stepped code talks to it instead
of QEMU's.

QEMU's own UART works however it is programmed; this one remembers what was done to it."""

from __future__ import annotations

from collections.abc import Callable

from grade.machine import Machine
from grade.machine.layout import (FCR_CLEAR_BOTH, LCR_DIVISOR, LSR_DATA_READY,
                                  LSR_TRANSMITTER_EMPTY, MCR_LOOPBACK, UART_DATA, UART_FIFO_CONTROL,
                                  UART_INTERRUPT_ENABLE, UART_LINE_CONTROL, UART_LINE_STATUS,
                                  UART_MODEM_CONTROL)

REGISTERS = 8
CLEAR_RECEIVER = 0x02  # of FCR
ALL_SENT = LSR_TRANSMITTER_EMPTY | 0x40
IN_AL_DX, OUT_DX_AL = b"\xec", b"\xee"
MOST_STEPS = 5000


class Uart:
    """The chip as some earlier program left it: slow, with interrupts, and with an old byte."""

    def __init__(self, wire: Callable[[int], int] = lambda byte: byte) -> None:
        self._wire = wire  # what becomes of a byte on the loopback's way
        self.divisor, self.interrupts, self.line, self.fifo, self.modem = 12, 0x0F, 0x1A, 0, 0x08
        self.cleared = False
        self.received = [0x5A]
        self.sent: list[int] = []  # out of the chip, where a terminal would show it
        self.looped: list[int] = []  # sent to itself
        self.fetched: list[int] = []  # read by the program

    @property
    def latched(self) -> bool:
        """The first two registers are the divisor at the moment."""
        return self.line & LCR_DIVISOR != 0

    def read(self, register: int) -> int:
        if register == UART_DATA and not self.latched:
            self.fetched.append(self.received.pop(0) if self.received else 0)
            return self.fetched[-1]
        if self.latched and register <= UART_INTERRUPT_ENABLE:
            return self.divisor >> 8 * register & 0xFF
        if register == UART_LINE_STATUS:
            return ALL_SENT | (LSR_DATA_READY if self.received else 0)
        return {UART_INTERRUPT_ENABLE: self.interrupts, UART_LINE_CONTROL: self.line,
                UART_MODEM_CONTROL: self.modem}.get(register, 0)

    def write(self, register: int, value: int) -> None:
        if self.latched and register <= UART_INTERRUPT_ENABLE:
            shift = 8 * register
            self.divisor = self.divisor & ~(0xFF << shift) | value << shift
        elif register == UART_DATA:
            self._send(value)
        elif register == UART_INTERRUPT_ENABLE:
            self.interrupts = value
        elif register == UART_FIFO_CONTROL:
            self._control_fifo(value)
        elif register == UART_LINE_CONTROL:
            self.line = value
        elif register == UART_MODEM_CONTROL:
            self.modem = value

    def _send(self, value: int) -> None:
        if self.modem & MCR_LOOPBACK:
            self.looped.append(value)
            self.received.append(self._wire(value))
        else:
            self.sent.append(value)

    def _control_fifo(self, value: int) -> None:
        self.fifo = value
        if value & CLEAR_RECEIVER:
            self.received.clear()
        self.cleared = self.cleared or value & FCR_CLEAR_BOTH == FCR_CLEAR_BOTH


class NoUart(Uart):
    """Nothing answers at the ports: every bit reads as one."""

    def read(self, register: int) -> int:
        return 0xFF

    def write(self, register: int, value: int) -> None:
        pass


def call_with(machine: Machine, uart: Uart, function: str, base: int) -> int | None:
    """Call a function, instruction by instruction, with uart at the ports from base on: its RAX,
    or None if it does not come to an end. The machine stands at the beginning of some function,
    and stands there again afterwards."""
    here = machine.regs
    back = machine.memory.u64(here.rsp)
    machine.set_regs(rip=machine.sym(function))
    for _ in range(MOST_STEPS):
        regs = machine.regs
        if regs.rip == back and regs.rsp == here.rsp + 8:
            machine.set_regs(rip=here.rip, rsp=here.rsp)
            return regs.rax
        register = (regs.rdx & 0xFFFF) - base
        code = machine.memory.read(regs.rip, 1) if 0 <= register < REGISTERS else b""
        if code == IN_AL_DX:
            machine.set_regs(rax=regs.rax & ~0xFF | uart.read(register), rip=regs.rip + 1)
        elif code == OUT_DX_AL:
            uart.write(register, regs.rax & 0xFF)
            machine.set_regs(rip=regs.rip + 1)
        else:
            machine.step()
    return None
