"""In the run box: the checks of labs that were built in another box.

On stdin come lines of JSON: what is asked, and then a lab each. On stdout go lines of JSON: what
happens, as boxes.py expects it. Nothing else goes out of the box."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grade.build import TREE, built_in
from grade.catalog import load, named_checks
from grade.check import Check
from grade.errors import CannotGrade, host_fault
from grade.pool import interrupt
from grade.results import CheckResult
from grade.run import Watch, look_at_kernels, run_check, run_checks


class Wire(Watch):
    """Tells it to the grader outside."""

    def __init__(self) -> None:
        self.file = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)  # a stray word is not taken for ours

    def tell(self, **event: Any) -> None:
        self.file.write(json.dumps(event) + "\n")
        self.file.flush()

    def check_begins(self, check: Check) -> None:
        self.tell(begins=check.id)

    def check_ended(self, result: CheckResult) -> None:
        self.tell(ended={"id": result.check.id, "outcome": result.outcome,
                         "seconds": result.seconds, "seen": result.seen,
                         "expected": result.expected, "hint": result.hint,
                         "details": list(result.details)})


def main() -> int:
    signal.signal(signal.SIGTERM, interrupt)
    wire = Wire()
    asked = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        try:
            grade(json.loads(line), asked, wire)
        except Exception as error:
            words = str(error) if isinstance(error, CannotGrade) else host_fault(error)
            if not words:
                raise
            wire.tell(cannot=words)
            break
    return 0


def grade(lab: Mapping[str, Any], asked: Mapping[str, Any], wire: Wire) -> None:
    """Run the checks of a lab, and tell of each. The last that is told is `done`: whether it could
    be started, and if not, why."""
    load(lab["number"])
    checks = named_checks(lab["number"], asked["tests"])
    build_dir: Path = TREE / "build" / lab["directory"]
    ready, outcome, errors = look_at_kernels(TREE, TREE / lab["directory"], built_in(build_dir),
                                             asked["seed"])
    if ready:
        run_checks(checks, ready, asked["jobs"], wire, run_check)
    wire.tell(done=outcome.value, errors=list(errors))


if __name__ == "__main__":
    sys.exit(main())
