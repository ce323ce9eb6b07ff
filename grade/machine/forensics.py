"""What happened, in words: the chain of exceptions behind a reset, a panic's backtrace, where a
processor spins or sleeps, and what usually is the cause."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grade.machine import paging
from grade.machine.gdbremote import GdbError, Registers
from grade.machine.intlog import Interrupt
from grade.machine.layout import PF_FETCH, PF_USER, VECTOR_PF
from grade.machine.session import Ending
from grade.outcome import Failure

if TYPE_CHECKING:
    from grade.machine.machine import Machine

# Intel SDM vol. 3A, table 6-1
VECTORS = {
    0: "#DE divide error", 1: "#DB debug exception", 2: "NMI", 3: "#BP breakpoint",
    4: "#OF overflow", 5: "#BR bound range", 6: "#UD invalid opcode", 7: "#NM no FPU",
    8: "#DF double fault", 10: "#TS invalid TSS", 11: "#NP segment not present",
    12: "#SS stack fault", 13: "#GP general protection", 14: "#PF page fault",
    16: "#MF x87 error", 17: "#AC alignment check", 18: "#MC machine check",
    19: "#XM SIMD error", 20: "#VE virtualization", 21: "#CP control protection"}
SELECTOR_ERRORS = (10, 11, 12, 13)
DEEPEST = 12
FIRST_FREE = 32  # vectors below belong to exceptions
SAMPLES = 64
HANDLER = 5000  # instructions, more than one of a timer has
ENDS_OF_SLEEP = (b"\xf4", b"\xc9")  # the last byte of hlt, and of mwait
TRACE_LINE = re.compile(r"\[<([0-9a-f]{8,16})>\]")
PANIC = "PANIC: "


def vector_name(vector: int) -> str:
    return VECTORS.get(vector, f"interrupt {vector:#x}")


def error_words(vector: int, error: int) -> str:
    """The bits of an error code spelled out."""
    if vector == VECTOR_PF:
        access = "fetching an instruction" if error & PF_FETCH else \
            "writing" if error & 2 else "reading"
        why = "a reserved bit is set in an entry" if error & 8 else \
            "the entry forbids it" if error & 1 else "the page is not present"
        return f"{access} in {'user' if error & PF_USER else 'kernel'} mode, {why}"
    if vector in SELECTOR_ERRORS and error:
        outside = ", an external event" if error & 1 else ""
        if error & 2:
            return f"an IDT entry{outside}"
        table = "LDT" if error & 4 else "GDT"
        return f"the {table} entry of selector {error & 0xFFF8:#x}{outside}"
    return ""


def exception_line(machine: Machine, event: Interrupt) -> str:
    """One exception: its name, where, and why the processor raised it."""
    place = f"at {machine.where(event.ip)}, ring {event.cpl}"
    if event.hardware:
        lost = ": the interrupt controller still sends to an exception's vector" * (
            event.vector < FIRST_FREE)
        return f"hardware interrupt on vector {event.vector:#x} {place}{lost}"
    words = error_words(event.vector, event.error)
    parts = [f"{vector_name(event.vector)} {place}"]
    if event.cr2 is not None:
        parts.append(f"address {event.cr2:#x} (CR2){_object(machine, event.cr2)}")
    if words:
        parts.append(f"{words} (error code {event.error:#x})")
    return ": ".join((parts[0], "; ".join(parts[1:]))) if parts[1:] else parts[0]


def _object(machine: Machine, address: int) -> str:
    name = machine.symbols.object(address)
    return f", in {name}" if name else ""


def triple_fault(machine: Machine) -> tuple[str, list[str], str]:
    """What was seen in one sentence, the chain line by line, and what usually is the cause."""
    log = machine.session.log
    chain = log.chain() or list(log.interrupts)[-1:]
    if not chain:
        return "a triple fault, before any exception was logged", [], ""
    machine.symbols.load_lines(event.ip for event in chain)
    lines = [("then " if i else "first ") + exception_line(machine, event)
             for i, event in enumerate(chain)]
    last = log.last_clash[1] if log.last_clash else None
    if last is not None:
        lines.append(f"then {vector_name(last)} while delivering {vector_name(chain[-1].vector)}: "
                     "triple fault, the processor resets")
    lines.append(f"RSP was {chain[0].sp:#x}: " + _about(machine, chain[0], chain[0].sp - 8))
    seen = f"a triple fault that began with {exception_line(machine, chain[0])}"
    return seen, lines + backtrace_of(machine, chain[0]), likely_cause(machine, chain)


def _about(machine: Machine, event: Interrupt, address: int) -> str:
    """How the tables of that moment map an address."""
    if not event.registers.get("CR0", 0) >> 31:
        return "paging is off"
    return paging.explain(machine.phys, event.registers.get("CR3", 0), address)


def likely_cause(machine: Machine, chain: Sequence[Interrupt]) -> str:
    """What usually leads to such a chain: the rules that come first are the surest."""
    first = chain[0]
    if any(each.hardware and each.vector < FIRST_FREE for each in chain):
        return ("interrupts are on while the interrupt controller still sends to the vectors of "
                "exceptions, as the BIOS left it")
    if not _idt_ready(machine):
        return ("the IDT is not loaded, or too short for the exceptions: any one of them resets "
                "the machine; look at the first")
    if not first.registers.get("CR0", 0) >> 31:
        return "an exception before paging is on: there is no handler that could run yet"
    if not _mapped(machine, first, first.sp - 8, writable=True):
        return ("the stack pointer is not mapped (or not writable): the exception's frame cannot "
                "be pushed; #DF needs a stack of its own (IST)")
    if not _mapped(machine, first, _idt_base(machine)):
        return "the IDT is not mapped by the page tables in CR3"
    if first.cr2 is not None and first.cr2 == first.ip:
        return ("the code that runs is not mapped (or not executable) by the tables just loaded "
                "into CR3")
    if first.cr2 is not None and first.error & 8:
        return "an entry sets a reserved bit: NX without EFER.NXE, or an address out of range"
    if any(each.failed_with == 11 for each in chain):
        return "an IDT gate is not present (bit 47), or its vector was never filled in"
    if any(each.failed_with == 13 for each in chain):
        return ("an IDT gate is bad: its type is not 0xe or 0xf, its selector is not the kernel's "
                "code segment, or its handler's address is not canonical")
    if any(each.failed_with == 10 for each in chain):
        return "the TSS is bad or not loaded: TR must hold a valid descriptor before IST is used"
    return "the handler of the first exception faults itself; look at its line"


def _idt_base(machine: Machine) -> int:
    return machine.system.idtr.base


def _idt_ready(machine: Machine) -> bool:
    """Long mode's gates are 16 bytes: a table that cannot hold a #PF gate is none."""
    return machine.system.idtr.limit >= 16 * (VECTOR_PF + 1) - 1 \
        and machine.system.idtr.base != 0


def _mapped(machine: Machine, event: Interrupt, address: int, writable: bool = False) -> bool:
    try:
        found = paging.walk(machine.phys, event.registers.get("CR3", 0), address)
    except Failure:
        return False
    return found is not None and (found.writable or not writable)


def backtrace_of(machine: Machine, event: Interrupt) -> list[str]:
    """The calls that led to an exception."""
    frame, cr3 = event.registers.get("RBP", 0), event.registers.get("CR3", 0)
    return _called_by(machine, frame, cr3)


def backtrace(machine: Machine, registers: Registers) -> list[str]:
    """Where the processor is, and the calls that led there."""
    return [f"at {machine.where(registers.rip)}",
            *_called_by(machine, registers.rbp, registers.cr3)]


def _called_by(machine: Machine, frame: int, cr3: int) -> list[str]:
    """Follow the frame pointers, as long as they lead up the stack and into the kernel's code."""
    returns: list[int] = []
    while len(returns) < DEEPEST and frame and frame % 8 == 0:
        try:
            found = paging.walk(machine.phys, cr3, frame)
            if not found or found.pa & 0xFFF > 0xFF0:
                break
            above, back = machine.phys.u64(found.pa), machine.phys.u64(found.pa + 8)
        except Failure:
            break
        if not machine.symbols.function(back):
            break
        returns.append(back)
        if above <= frame:
            break
        frame = above
    machine.symbols.load_lines([each - 1 for each in returns])
    return [f"called by {machine.symbols.where(each, exact=False)}" for each in returns]


def panic(machine: Machine) -> tuple[str, list[str]]:
    """The kernel's own words, its backtrace with file and line added."""
    lines = machine.console.lines
    at = next((i for i, line in enumerate(lines) if line.startswith(PANIC)), None)
    if at is None:
        return "the kernel left with the panic code, but printed no line `PANIC: ...`", \
            machine.console.tail()
    addresses = [int(match[1], 16) for line in lines[at:] if (match := TRACE_LINE.search(line))]
    machine.symbols.load_lines([each - 1 for each in addresses])
    return lines[at], [_with_line(machine, line) for line in lines[at:at + 40]]


def _with_line(machine: Machine, line: str) -> str:
    match = TRACE_LINE.search(line)
    place = machine.symbols.line(int(match[1], 16) - 1) if match else ""
    return f"{line} ({place})" if place else line


def stuck(machine: Machine, registers: Registers) -> tuple[str, list[str]]:
    """Where a processor goes round in circles: a few of its steps, by function."""
    lines = backtrace(machine, registers)
    seen: dict[str, None] = {}
    places = {registers.rip}
    for _ in range(SAMPLES):
        stop = machine.session.step()
        if stop.ending != Ending.BREAKPOINT:
            break  # the machine has ended under our eyes
        places.add(stop.address)
        seen.setdefault(machine.symbols.function(stop.address).split("+")[0]
                        or f"{stop.address:#x}")
    if len(places) == 1:
        lines.append("this one instruction is repeated for ever")
    elif seen:
        lines.append("it goes round in: " + ", ".join(list(seen)[:8]))
    return machine.where(registers.rip), lines + last_exceptions(machine)


def asleep(machine: Machine) -> Registers:
    """The registers where the processor sleeps. An interrupt may have come just now, and its
    handler be at work: when that has returned, RIP is after the hlt again."""
    registers = machine.regs
    for _ in range(HANDLER):
        if _byte_before(machine, registers.rip) in ENDS_OF_SLEEP \
                or machine.session.step().ending != Ending.BREAKPOINT:
            break
        registers = machine.regs
    return registers


def _byte_before(machine: Machine, rip: int) -> bytes:
    try:
        return machine.session.gdb.read(rip - 1, 1)
    except GdbError:
        return b""  # a handler that begins where a page does


def last_exceptions(machine: Machine, count: int = 3) -> list[str]:
    """The newest exceptions: a handler that returns to the faulting instruction spins as well."""
    faults = [event for event in machine.session.log.interrupts
              if event.vector < 32 and not event.software][-count:]
    machine.symbols.load_lines(event.ip for event in faults)
    return [f"exception before: {exception_line(machine, event)}" for event in faults]
