"""One lab graded: build it, run its checks in parallel, collect what they found."""

from __future__ import annotations

import contextlib
import math
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grade.build import Built, build
from grade.catalog import load, named_checks
from grade.check import Check
from grade.errors import BuildFailed, CannotGrade, host_fault
from grade.intake import Submission
from grade.lab import Lab
from grade.machine import session
from grade.machine.session import Allowance
from grade.machine.structures import Types, learn_types, types_known
from grade.options import Options
from grade.outcome import Failure, Outcome
from grade.pool import Died, Pool
from grade.results import CANNOT, INTERNAL, CheckResult, LabResult

BACKSTOP = 3600.0  # seconds, after which a check can only be stuck in a fault of ours

# In seconds of processor time: what a check may burn. The references need at most 0.5 a run, 2.5 in
# all and 1.3 of Python. Where three checks of a lab have come to nothing so, the others get less.
FULL = Allowance(run=math.inf, total=60.0)
SHORT = Allowance(run=1.0, total=10.0)
LOOKING = 30.0  # of Python
AGAIN = 5.0  # where that was caught and forgotten
HOPELESS = 3
BURNING = (Outcome.SPINNING.value, Outcome.SILENT.value)

Run = Callable[[Check, Lab], CheckResult]


class Watch:
    """Told how a run goes. This one does not care."""

    def lab_begins(self, name: str, checks: Sequence[Check], seed: int, jobs: int) -> None:
        """Before the build."""

    def lab_absent(self, name: str) -> None:
        """A lab was not handed in, and earns nothing."""

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


def grade_lab(submission: Submission, number: int, options: Options, watch: Watch = Watch(),
              run: Run | None = None) -> LabResult:
    """Grade a lab that was handed in. Of the options count the tests, the seed, the jobs and the
    compiler. A kernel that does not build is a result as others are; CannotGrade is raised for what
    is not the submission's fault. `run` is another than run_check where somebody else is to call
    it."""
    load(number)
    checks, name = named_checks(number, options.tests), submission.labs[number].name
    watch.lab_begins(name, checks, options.seed, options.jobs)
    began = time.monotonic()
    lab, outcome, errors = ready_lab(submission, number, options)
    build_seconds = time.monotonic() - began
    watch.built(build_seconds, outcome, errors)
    if lab:
        found = run_checks(checks, lab, options.jobs, watch, run or run_check)
    else:
        found = not_built(checks, outcome, errors, watch)
    result = LabResult(number, name, tuple(found), time.monotonic() - began,
                       build_seconds, errors)
    watch.lab_ended(result)
    return result


def ready_lab(submission: Submission, number: int, options: Options
              ) -> tuple[Lab | None, Outcome, tuple[str, ...]]:
    """The lab ready for its checks, or why its sources make none."""
    directory = submission.labs[number]
    try:
        built = build(directory, submission.build_dir(number), options.cc, options.opt,
                      options.jobs, submission.common, options.boxed)
    except BuildFailed as failed:
        return None, Outcome.BUILD_ERROR, tuple(failed.errors)
    return look_at_kernels(submission.tree, directory, built, options.seed)


def look_at_kernels(tree: Path, directory: Path, built: Built, seed: int
                    ) -> tuple[Lab | None, Outcome, tuple[str, ...]]:
    """The lab of these two files, if they are such as can be started."""
    lab = Lab(tree, directory, built, seed)
    try:
        lab.prepare()
    except Failure as failure:
        return None, failure.outcome, (failure.seen, *failure.details)
    return lab, Outcome.PASSED, ()


def run_checks(checks: Sequence[Check], lab: Lab, jobs: int, watch: Watch,
               run: Run) -> list[CheckResult]:
    """Every check in a process of its own, `jobs` at a time; the results in the checks' order."""
    found: dict[str, CheckResult] = {}

    def work(check: Check) -> tuple[CheckResult, Types]:
        """In a process forked just now, so it knows what was found until now: checks begin in
        their order, and none of those that come later has ended."""
        spinning = sum(each.outcome in BURNING for each in found.values())
        with bounded(SHORT if spinning >= HOPELESS else FULL):
            return run(check, lab.for_check(check)), types_known()

    pool = Pool[Check, tuple[CheckResult, Types]](work, jobs, BACKSTOP, watch.check_begins,
                                                  watch.tick)
    for check, end in pool.run(checks):
        if isinstance(end, Died):
            result = grader_died(check, end)
        else:
            result, types = end
            learn_types(types)
        found[check.id] = result
        watch.check_ended(result)
    return [found[check.id] for check in checks]


@contextlib.contextmanager
def bounded(allowance: Allowance) -> Iterator[None]:
    """What is looked at in here ends, whatever kernel it is: so much for its machines, and so much
    for what the grader itself makes of them."""
    def expired(number: int, frame: object) -> None:
        raise Failure(Outcome.SPINNING, "the grader went on looking at this kernel for "
                      f"{LOOKING:.0f} seconds of processor time and came to no end",
                      "what it looks at (lists, tables, results) has an end")

    before = signal.signal(signal.SIGPROF, expired)
    spent = session.children_cpu()  # by what this process has done before
    session.ALLOWED = Allowance(allowance.run, spent + allowance.total)
    signal.setitimer(signal.ITIMER_PROF, LOOKING, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        session.ALLOWED = Allowance()
        signal.signal(signal.SIGPROF, before)


def run_check(check: Check, lab: Lab) -> CheckResult:
    """Run one check here and now. Whatever but a Failure comes out of it is a bug of ours. Its
    seconds are processor time, ours and QEMU's: the same on a machine that is busy."""
    began = cpu_seconds()
    try:
        check.body(lab)
    except Failure as failure:
        return CheckResult(check, failure.outcome.value, cpu_seconds() - began, failure.seen,
                           failure.expected, failure.hint or check.hint, tuple(failure.details))
    except BuildFailed as failed:
        return CheckResult(check, Outcome.BUILD_ERROR.value, cpu_seconds() - began,
                           failed.errors[0], details=tuple(failed.errors[1:]))
    except CannotGrade as refusal:
        return CheckResult(check, CANNOT, cpu_seconds() - began, str(refusal))
    except Exception as error:
        if host_fault(error):
            return CheckResult(check, CANNOT, cpu_seconds() - began, host_fault(error))
        return CheckResult(check, INTERNAL, cpu_seconds() - began,
                           f"{type(error).__name__}: {error}",
                           details=tuple(traceback.format_exc().splitlines()))
    return CheckResult(check, Outcome.PASSED.value, cpu_seconds() - began)


def cpu_seconds() -> float:
    """The processor time of this process and of the programs that it started."""
    return time.process_time() + session.children_cpu()


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
