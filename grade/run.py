"""One lab graded: build it, run its checks in parallel, collect what they found."""

from __future__ import annotations

import os
import re
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from grade.build import build
from grade.catalog import lab_directory, load, named_checks
from grade.check import Check
from grade.errors import BuildFailed, MissingTool
from grade.lab import Lab
from grade.outcome import Failure, Outcome
from grade.pool import Died, Pool
from grade.results import INTERNAL, CheckResult, LabResult

CHECK_LIMIT = 120.0

Execute = Callable[[Check, Lab], None]


def call_body(check: Check, lab: Lab) -> None:
    """The plain way to execute a check; under pytest there is another."""
    check.body(lab)


class Watch:
    """Told how a run goes. This one does not care."""

    def lab_begins(self, name: str, checks: Sequence[Check], seed: int, jobs: int) -> None:
        """Before the build."""

    def built(self, seconds: float, outcome: Outcome, errors: Sequence[str]) -> None:
        """After the build, good or bad."""

    def check_begins(self, check: Check) -> None:
        """A check has been started."""

    def tick(self) -> None:
        """Time passes: some ten times a second."""

    def check_ended(self, result: CheckResult) -> None:
        """A check has ended, in no particular order."""

    def lab_ended(self, result: LabResult) -> None:
        """All checks have ended."""


def grade_lab(tree: Path, number: int, *, tests: Iterable[str] | None = None, seed: int,
              jobs: int | None = None, build_dir: Path, cc: str = "gcc", opt: str = "-O2",
              watch: Watch = Watch(), execute: Execute = call_body) -> LabResult:
    """Grade a lab of the tree; its products go to `build_dir`. A kernel that does not build is a
    result as others are; CannotGrade is raised for what is not the submission's fault."""
    load(number)
    checks = named_checks(number, tests)
    directory = lab_directory(tree, number)
    jobs = jobs or os.cpu_count() or 1
    watch.lab_begins(directory.name, checks, seed, jobs)
    began = time.monotonic()
    lab, outcome, errors = ready_lab(tree, directory, build_dir, seed, cc, opt)
    build_seconds = time.monotonic() - began
    watch.built(build_seconds, outcome, errors)
    if lab:
        found = run_checks(checks, lab, jobs, watch, execute)
    else:
        found = not_built(checks, outcome, errors, watch)
    result = LabResult(number, directory.name, tuple(found), time.monotonic() - began,
                       build_seconds, errors)
    watch.lab_ended(result)
    return result


def ready_lab(tree: Path, directory: Path, build_dir: Path, seed: int, cc: str,
              opt: str) -> tuple[Lab | None, Outcome, tuple[str, ...]]:
    """The lab ready for its checks, or why there is none: the fault of its sources, or of this
    machine."""
    try:
        lab = Lab(tree, directory, build(directory, build_dir, cc, opt), seed)
        lab.prepare()
    except BuildFailed as failed:
        return None, Outcome.BUILD_ERROR, tuple(failed.errors)
    except MissingTool as missing:
        return None, Outcome.MISSING_TOOL, (str(missing),)
    except Failure as failure:
        return None, failure.outcome, (failure.seen, *failure.details)
    return lab, Outcome.PASSED, ()


def run_checks(checks: Sequence[Check], lab: Lab, jobs: int, watch: Watch,
               execute: Execute) -> list[CheckResult]:
    """Every check in a process of its own, `jobs` at a time; the results in the checks' order."""
    pool = Pool[Check, CheckResult](lambda check: run_check(check, lab.for_check(check), execute),
                                    jobs, CHECK_LIMIT, watch.check_begins, watch.tick)
    found = {}
    for check, result in pool.run(checks):
        if isinstance(result, Died):
            result = grader_died(check, result)
        found[check.id] = result
        watch.check_ended(result)
    return [found[check.id] for check in checks]


def run_check(check: Check, lab: Lab, execute: Execute = call_body) -> CheckResult:
    """Run one check here and now. Whatever but a Failure comes out of it is a bug of ours."""
    began = time.monotonic()
    try:
        execute(check, lab)
    except Failure as failure:
        return CheckResult(check, failure.outcome.value, time.monotonic() - began, failure.seen,
                           failure.expected, failure.hint or check.hint, tuple(failure.details))
    except BuildFailed as failed:
        return CheckResult(check, Outcome.BUILD_ERROR.value, time.monotonic() - began,
                           failed.errors[0], details=tuple(failed.errors[1:]))
    except MissingTool as missing:
        return CheckResult(check, Outcome.MISSING_TOOL.value, time.monotonic() - began,
                           str(missing))
    except Exception as error:
        return CheckResult(check, INTERNAL, time.monotonic() - began,
                           f"{type(error).__name__}: {error}",
                           details=own_traceback(error))
    return CheckResult(check, Outcome.PASSED.value, time.monotonic() - began)


def own_traceback(error: Exception) -> tuple[str, ...]:
    """Where our bug is, without the frames of pytest around it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not re.search(r"/(_pytest|pluggy)/", frame.filename)]
    lines = traceback.format_list(frames) + traceback.format_exception_only(type(error), error)
    return tuple("".join(lines).splitlines())


def grader_died(check: Check, died: Died) -> CheckResult:
    """A check's process gave no result, which no kernel should be able to bring about."""
    return CheckResult(check, INTERNAL, 0.0, f"the check gave no result: {died.why}",
                       details=tuple(died.output.splitlines()[-40:]))


def not_built(checks: Sequence[Check], outcome: Outcome, errors: Sequence[str],
              watch: Watch) -> list[CheckResult]:
    """Without a kernel every check is lost, for the same reason."""
    expected = "a kernel that compiles and links" if outcome is Outcome.BUILD_ERROR else ""
    found = [CheckResult(check, outcome.value, 0.0, errors[0], expected, outcome.sentence)
             for check in checks]
    for result in found:
        watch.check_ended(result)
    return found
