"""What is made of text: the serial port's lines, the interrupt log, names and lines of code."""

from __future__ import annotations

import re
import pickle
from pathlib import Path

import pytest

from grade.machine.console import Console
from grade.machine.intlog import KEPT, TAIL, InterruptLog
from grade.machine.symbols import load_symbols
from grade.outcome import Failure, Outcome, equal, expect

LOG = b"""Servicing hardware INT=0x20
     0: v=20 e=0000 i=0 cpl=0 IP=0008:0000000000101234 pc=0000000000101234 \
SP=0010:0000000000108ff8 env->regs[R_EAX]=0000000000000001
RAX=0000000000000001 RBX=0000000000000002 RCX=0000000000000003 RDX=0000000000000004
CR0=80010011 CR2=0000000000000000 CR3=0000000000105000 CR4=00000020
check_exception old: 0xffffffff new 0xe
     1: v=0e e=0006 i=0 cpl=3 IP=0033:0000000000401000 pc=0000000000401000 \
SP=002b:00007ffffffeff00 CR2=00000000deadbeef
"""


def console(text: str) -> Console:
    made = Console()
    made.feed(text.encode())
    return made


def test_lines_in_order() -> None:
    text = console("one\r\ntwo two\nthree\ntwo two\nhalf")
    assert text.lines == ["one", "two two", "three", "two two", "half"]
    assert text.expect_in_order(["one", re.compile("th.*"), "two two"])[1] == "three"
    assert text.count("two two") == 2 and text.find("two") is None


@pytest.mark.parametrize("wanted", [["two"], ["three", "one"], ["two two"] * 3,
                                    [re.compile("thre")]])
def test_lines_that_are_missing(wanted: list[str]) -> None:
    with pytest.raises(Failure) as caught:
        console("one\ntwo two\nthree\ntwo two\n").expect_in_order(wanted)
    assert caught.value.outcome == Outcome.WRONG and caught.value.details


def test_silence() -> None:
    with pytest.raises(Failure) as caught:
        console("").expect_in_order(["hello"])
    assert caught.value.outcome == Outcome.SILENT


def test_a_console_is_bounded() -> None:
    small = Console(limit=10)
    small.feed(b"12345678")
    assert small.flooded is False
    small.feed(b"9abcdef")
    assert (small.flooded, small.raw) == (True, b"123456789a")


def test_terminal_sequences_are_no_text() -> None:
    assert console("\x1b[2J\x1b[1;31mred\x1b[0m\n").lines == ["red"]


@pytest.mark.parametrize("step", [1, 7, 10000])
def test_log(step: int) -> None:
    log = InterruptLog()
    for at in range(0, len(LOG), step):
        log.feed(LOG[at:at + step])
    timer, fault = log.interrupts
    assert (timer.vector, timer.hardware, timer.cr2) == (0x20, True, None)
    assert timer.registers["RBX"] == 2 and timer.registers["CR3"] == 0x105000
    assert (fault.vector, fault.error, fault.cpl, fault.cs, fault.ss) == (14, 6, 3, 0x33, 0x2B)
    assert fault.cr2 == 0xDEADBEEF and not fault.hardware
    assert not log.chain()


def test_a_log_is_bounded() -> None:
    log = InterruptLog()
    for _ in range(KEPT):
        log.feed(LOG)
    assert len(log.interrupts) == KEPT and len(log.tail) == TAIL and log.total == 2 * KEPT
    log.feed(b"x" * 100000)
    assert len(log._partial) <= 4096


def test_symbols(kernel: Path) -> None:
    symbols = load_symbols(kernel)
    spin = symbols["spin_inside"]
    assert symbols.function(spin) == "spin_inside" and symbols.function(spin + 1).endswith("+0x1")
    assert re.fullmatch(r"spin_inside \(kernel.asm:\d+\)", symbols.where(spin))
    assert "spin_inside" in symbols and "nothing" not in symbols
    assert symbols.function(0x5000) == "" and "not in the kernel" in symbols.where(0x5000)
    assert symbols.object(symbols["probe_calls"] + 100) == "probe_calls"
    with pytest.raises(Failure, match="no symbol nothing"):
        symbols["nothing"]


def test_symbols_are_read_again_when_the_file_changes(kernel: Path) -> None:
    assert load_symbols(kernel) is load_symbols(kernel)
    kernel.touch()
    assert load_symbols(kernel) is load_symbols(kernel)


def test_failures() -> None:
    with pytest.raises(Failure, match="CR0 is 0x11; expected CR0 is 0x80010011") as caught:
        equal(0x11, 0x80010011, "CR0", hint="paging")
    assert (caught.value.outcome, caught.value.hint) == (Outcome.WRONG, "paging")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and copy.hint == "paging"
    with pytest.raises(Failure, match="seen; expected wanted"):
        expect(0, "seen", "wanted")
    expect(1, "", "")
    equal([1], [1], "list")
    assert all(each.sentence.endswith(".") for each in Outcome) and len(Outcome) == 9
