"""Faults are explained: which exceptions, in which function and line, and what is usually wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grade.machine.forensics import error_words
from grade.machine.machine import Limits, Machine
from grade.outcome import Failure, Outcome
from grade.tests.machine.conftest import SOURCE

FailureOf = Callable[[str], Failure]


def line_of(text: str, function: str) -> int:
    """The line of the kernel's source where text stands, in a function."""
    lines = SOURCE.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"function {function}"))
    return next(i for i in range(start, len(lines)) if text in lines[i]) + 1


def test_lost_stack(failure_of: FailureOf) -> None:
    failure = failure_of("lose_stack")
    place = f"lose_stack+0xe (kernel.asm:{line_of('push rax', 'lose_stack')})"
    assert failure.outcome == Outcome.TRIPLE_FAULT
    assert failure.details[0] == (
        f"first #PF page fault at {place}, ring 0: address 0x700000000ff8 (CR2); writing in "
        "kernel mode, the page is not present (error code 0x2)")
    assert failure.details[1].startswith(f"then #DF double fault at {place}")
    assert failure.details[2].startswith("then #PF page fault while delivering #DF")
    assert "0x700000000ff8 is not mapped: L4[224]" in failure.details[3]
    assert any(line.startswith("called by kmain") for line in failure.details)
    assert failure.hint.startswith("the stack pointer is not mapped")


def test_lost_idt(failure_of: FailureOf) -> None:
    failure = failure_of("lose_idt")
    assert failure.outcome == Outcome.TRIPLE_FAULT
    chain = [line.split(" at ")[0] for line in failure.details[:3]]
    assert chain == ["first #UD invalid opcode", "then #GP general protection",
                     "then #DF double fault"]
    assert failure.hint.startswith("the IDT is not loaded")


def test_before_paging(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.phys.write(m.symbols.elf.entry, b"\x0f\x0b")  # ud2
        stop = m.run_to_stop()
        failure = m.classify(stop, "the kernel runs")
    assert failure.outcome == Outcome.TRIPLE_FAULT
    assert "#UD" in failure.seen


def test_panic_with_lines(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.memory.write(m.sym("panic_address"), b"%016x" % (m.sym("kmain.end")))
        m.set_regs(rip=m.sym("leave_panic"))
        with pytest.raises(Failure) as caught:
            m.run_to_exit(0x10)
    assert caught.value.seen == caught.value.details[0] == "PANIC: out of cake"
    line = line_of("call leave_ok", "kmain")
    assert caught.value.details[1].endswith(f">] somewhere (kernel.asm:{line})")


def test_timer_on_an_exceptions_vector(kernel: Path) -> None:
    with Machine(kernel, limits=Limits(cpu=0.3)) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("timer_on_vector_8"))
        failure = m.classify(m.run_to_stop(), "the kernel sleeps")
    assert any("hardware interrupt on vector 0x8" in line for line in failure.details)


def test_a_survived_fault_is_logged(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        assert m.call("survive_fault") == 0x7FFF00000
        fault, = m.events
    assert (fault.vector, fault.error, fault.cpl, fault.cr2) == (14, 0, 0, 0x7FFF00000)
    assert fault.ip == m.sym("survive_fault.fault")
    assert fault.failed_with is None and not fault.software and not fault.hardware


def test_error_words() -> None:
    assert error_words(14, 0x15) == "fetching an instruction in user mode, the entry forbids it"
    assert error_words(14, 0x9) == "reading in kernel mode, a reserved bit is set in an entry"
    assert error_words(13, 0x28) == "the GDT entry of selector 0x28"
    assert error_words(13, 0x402) == "an IDT entry"
    assert error_words(13, 0) == ""
