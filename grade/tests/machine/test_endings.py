"""Each way a run can end is recognised, put in the right class, and said in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grade.errors import BadMachine
from grade.machine import session
from grade.machine.machine import Limits, Machine
from grade.machine.session import Ending, Stop
from grade.machine.verdict import classify
from grade.outcome import Failure, Outcome

FailureOf = Callable[[str], Failure]
TICK_HANDLER = bytes.fromhex("50b020e6205848cf")  # what the interrupt controller is to be told


@pytest.mark.parametrize("function, outcome, words", [
    ("leave_panic", Outcome.PANIC, "PANIC: out of cake"),
    ("leave_not_written", Outcome.NOT_WRITTEN,
     "exercise 1.3 is not written yet (lab1-boot/serial.c:42)"),
    ("leave_otherwise", Outcome.WRONG, "left through the exit port with 0x2a"),
    ("spin", Outcome.SILENT, "in spin_inside"),
    ("sleep_for_good", Outcome.SILENT, "interrupts are off"),
    ("sleep_in_vain", Outcome.SILENT, "none came"),
    ("lose_stack", Outcome.TRIPLE_FAULT, "#PF page fault at lose_stack"),
    ("reset_machine", Outcome.WRONG, "reset the machine at "),
    ("power_off", Outcome.WRONG, "switched the machine off at "),
])
def test_class(failure_of: FailureOf, function: str, outcome: Outcome, words: str) -> None:
    failure = failure_of(function)
    assert failure.outcome == outcome
    assert words in failure.seen


def test_a_kernel_that_talked_is_not_silent(kernel: Path) -> None:
    with Machine(kernel, limits=Limits(cpu=0.3)) as m:
        m.run_to("leave_ok")
        m.set_regs(rip=m.sym("spin"))
        with pytest.raises(Failure) as caught:
            m.run_to_exit()
    assert caught.value.outcome == Outcome.SPINNING
    assert "called by kmain" in "\n".join(caught.value.details)
    assert caught.value.details[-2:] == ["hello", "world"]


def test_sleep_for_good_is_found_at_once(kernel: Path) -> None:
    """With interrupts off nothing will come: that is not found by waiting for it."""
    with Machine(kernel, limits=Limits(idle=float("inf"))) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("sleep_for_good"))
        assert m.run_to_stop().ending == Ending.HALTED


def test_a_jump_on_the_spot_is_found_long_before_the_limit(kernel: Path) -> None:
    with Machine(kernel, limits=Limits(cpu=60.0)) as m:
        m.run_to("kmain")
        m.memory.poke_code(m.regs.rip, b"\xeb\xfe")
        assert m.run_to_stop().ending == Ending.SPINNING
        assert m.session.qemu.cpu_seconds() < 30


def test_all_runs_of_a_check_share_an_allowance(kernel: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ALLOWED", session.Allowance(total=session.children_cpu() + 0.5))
    with Machine(kernel, limits=Limits(cpu=60.0)) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("spin"))
        assert m.run_to_stop().ending == Ending.SPINNING
        assert m.session.qemu.cpu_seconds() < 30


def test_exceptions_for_ever_are_counted(kernel: Path) -> None:
    """Logging them takes our time, not QEMU's: its processor time would be long in coming."""
    with Machine(kernel, limits=Limits(cpu=60.0, exceptions=500)) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("trap_for_ever"))
        with pytest.raises(Failure, match="more than 500 of them") as caught:
            m.run_to_exit()
        assert m.session.qemu.cpu_seconds() < 30
    assert caught.value.outcome == Outcome.SILENT


def test_ticks_that_wake_nobody_are_counted(kernel: Path) -> None:
    with Machine(kernel, limits=Limits(cpu=60.0, ticks=3)) as m:
        m.run_to("kmain")
        m.memory.poke_code(m.sym("other_fault"), TICK_HANDLER)
        m.set_regs(rip=m.sym("timer_on_vector_8"))
        with pytest.raises(Failure, match="sleeps in hlt at timer_on_vector_8") as caught:
            m.run_to_exit()
    assert caught.value.outcome == Outcome.SILENT


def test_a_tick_that_has_just_come_hides_no_sleep(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.memory.poke_code(m.sym("other_fault"), TICK_HANDLER)
        m.set_regs(rip=m.sym("timer_on_vector_8"))
        m.run_to("other_fault")
        failure = classify(m, Stop(Ending.HALTED, m.regs.rip), "")
    assert "sleeps in hlt at timer_on_vector_8" in failure.seen


@pytest.mark.parametrize("ending", [Ending.SPINNING, Ending.HALTED])
def test_a_kernel_may_end_while_it_is_looked_at(ending: Ending, kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("leave_ok"))
        assert "leave_ok" in classify(m, Stop(ending, m.regs.rip), "").seen


def test_a_flood_is_stopped(kernel: Path) -> None:
    with Machine(kernel, limits=Limits(flood=1 << 14)) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("flood"))
        with pytest.raises(Failure, match="flooded the serial port") as caught:
            m.run_to_exit()
        assert len(m.console.raw) == 1 << 14
    assert caught.value.outcome == Outcome.SPINNING
    assert max(map(len, caught.value.details)) < 200
    assert "it goes round in: flood.next" in caught.value.details


def test_a_goal_not_reached_is_named(kernel: Path) -> None:
    with Machine(kernel) as m, pytest.raises(Failure) as caught:
        m.run_to("spin")
    assert caught.value.seen == "the kernel left through the exit port with EXIT_OK"
    assert caught.value.expected == "the kernel comes to spin"


def test_expected_endings(kernel: Path) -> None:
    with Machine(kernel) as m:
        assert m.run_to_exit(0x10) == 0x10
        assert m.console.lines == ["hello", "world"]
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("leave_panic"))
        assert m.run_to_exit() == 0x11
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("leave_not_written"))
        with pytest.raises(Failure) as caught:
            m.run_to_exit()
    assert caught.value.outcome == Outcome.NOT_WRITTEN


def test_memory_outlives_the_machine(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to_exit(0x10)
    assert m.phys.u64(m.sym("level4")) & ~0xFFF == m.sym("level3")


def test_qemu_killed_from_outside(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.session.qemu.process.kill()
        with pytest.raises(BadMachine, match="ended from outside, by SIGKILL"):
            m.run_to_exit()
