"""How a check can end: nine classes, each with a sentence for the student, and Failure."""

from __future__ import annotations

import enum
from collections.abc import Sequence


class Outcome(enum.Enum):
    """The class of a run. The value is what people and result files call it."""

    PASSED = "passed"
    WRONG = "wrong"
    NOT_WRITTEN = "not written yet"
    PANIC = "panic"
    TRIPLE_FAULT = "triple fault"
    SPINNING = "spinning"
    HALTED = "halted"
    SILENT = "silent"
    BUILD_ERROR = "build error"

    @property
    def sentence(self) -> str:
        """What this class means, in words for a student."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.PASSED: "The machine did what the check asks for.",
    Outcome.WRONG: "The kernel ran, and what the grader found in the machine is not what it"
                   " should be.",
    Outcome.NOT_WRITTEN: "The kernel came to an exercise that is still empty.",
    Outcome.PANIC: "The kernel noticed that something is wrong and stopped itself; its own words"
                   " follow.",
    Outcome.TRIPLE_FAULT: "The processor could not deliver an exception, nor the double fault after"
                          " it, and reset itself; the chain of exceptions follows.",
    Outcome.SPINNING: "The processor went on working and never came to the place it should"
                      " reach.",
    Outcome.HALTED: "The processor went to sleep (hlt) before the place it should reach,"
                    " and nothing was going to wake it.",
    Outcome.SILENT: "The kernel never wrote one byte to the serial port.",
    Outcome.BUILD_ERROR: "The kernel does not compile, link or pack; the compiler's words follow.",
}


class Failure(Exception):
    """A check has failed: of which class, what was seen, what was expected, and where to look."""

    def __init__(self, outcome: Outcome, seen: str, expected: str = "", hint: str = "",
                 details: Sequence[str] = ()) -> None:
        super().__init__(seen)
        self.outcome = outcome
        self.seen = seen
        self.expected = expected
        self.hint = hint
        self.details = list(details)

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.outcome.value}: {self.seen}{expected}"

    def __reduce__(self) -> tuple[object, ...]:
        """Failures travel between the processes of a parallel run."""
        return Failure, (self.outcome, self.seen, self.expected, self.hint, self.details)


def expect(condition: object, seen: str, expected: str, hint: str = "") -> None:
    """Fail the check, as WRONG, unless condition holds."""
    if not condition:
        raise Failure(Outcome.WRONG, seen, expected, hint)


def equal(seen: object, expected: object, what: str, hint: str = "") -> None:
    """Fail the check, as WRONG, unless both are equal; what names the thing compared."""
    if seen != expected:
        raise Failure(Outcome.WRONG, f"{what} is {show(seen)}", f"{what} is {show(expected)}", hint)


def show(value: object) -> str:
    """A value as a systems programmer reads it: large integers in hexadecimal."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 9:
        return f"{value:#x}"
    return repr(value)
