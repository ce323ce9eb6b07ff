"""What a check may burn: a kernel on which nothing ends costs little all the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import cast

import pytest

from grade import run
from grade.check import Check
from grade.lab import Lab
from grade.machine import session
from grade.outcome import Failure, Outcome
from grade.results import CheckResult


class AnyLab:
    """A lab that nobody looks at."""

    def for_check(self, check: Check) -> AnyLab:
        return self


def ends(outcome: Outcome, lab: Lab) -> None:
    raise Failure(outcome, "so it ends")


def tells(lab: Lab) -> None:
    """How long a run of this check may be."""
    raise Failure(Outcome.WRONG, f"{session.ALLOWED.run}")


def results(*outcomes: Outcome) -> list[CheckResult]:
    """Checks one after the other: each ends so, and the last one tells what it was allowed."""
    bodies: list[Callable[[Lab], None]] = [
        *(functools.partial(ends, outcome) for outcome in outcomes), tells]
    checks = [Check(f"T1.{i}", "title", 1, ("1.1",), "", "kmain", body)
              for i, body in enumerate(bodies, 1)]
    return run.run_checks(checks, cast(Lab, AnyLab()), 1, run.Watch(), run.run_check)


@pytest.mark.parametrize("outcome", [Outcome.SPINNING, Outcome.SILENT])
def test_after_three_that_spin_the_others_get_less(outcome: Outcome) -> None:
    assert results(outcome, outcome)[-1].seen == f"{run.FULL.run}"
    assert results(outcome, Outcome.WRONG, outcome, outcome)[-1].seen == f"{run.SHORT.run}"


def test_other_endings_cost_nobody_anything() -> None:
    assert results(*[Outcome.TRIPLE_FAULT, Outcome.WRONG, Outcome.PANIC] * 3)[-1].seen == \
        f"{run.FULL.run}"


def test_looking_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Failures are caught on the way, as something that a kernel may have done."""
    monkeypatch.setattr(run, "LOOKING", 0.1)
    monkeypatch.setattr(run, "AGAIN", 0.1)
    with pytest.raises(Failure, match="came to no end") as caught, run.bounded(run.FULL):
        try:
            while True:
                pass
        except Failure:
            while True:
                pass
    assert caught.value.outcome == Outcome.SPINNING
    assert session.ALLOWED == session.Allowance()
