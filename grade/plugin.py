"""The checks as pytest items, and the one way from a check to its result.

pytest collects the checks and calls each of them; `run_check` is what such a call is, and its
result stays with the item. Plain `pytest grade/test_lab1_boot.py -k idt` reports it in pytest's own
way, with the variables that make has (SEED, FROM, CC, OPT). `make grade` adds a Grading: it takes
the items from pytest's loop to the pool, calls them there, and reads the results."""

from __future__ import annotations

import functools

import pytest

from grade.catalog import lab_name, load, named_checks
from grade.check import BadCheck, Check, check_of
from grade.errors import CannotGrade
from grade.lab import Lab
from grade.options import Options
from grade.results import CheckResult, LabResult, Results, absent_lab, explanation
from grade.run import Watch, grade_lab, ready_lab, run_check

GIVEN_LAB = pytest.StashKey[Lab]()
RESULT = pytest.StashKey[CheckResult]()


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Lab:
    """The lab that the check belongs to, built, with the check's own random numbers."""
    declared = check_of(request.function)
    if declared is None:
        raise BadCheck(f"{request.node.nodeid} asks for a lab and is not declared with @check")
    given = request.config.stash.get(GIVEN_LAB, None)
    return given or _lab_from_environment(declared.lab).for_check(declared)


@functools.lru_cache(maxsize=None)
def _lab_from_environment(number: int) -> Lab:
    options = Options.from_environment({"lab": number})
    if options.boxed:
        raise CannotGrade("pytest has no box for another's tree: that is for `make grade FROM=…`, "
                          "or for a machine that is thrown away (SANDBOX=none)")
    submission = options.submission
    if number not in submission.labs:
        raise CannotGrade(f"{lab_name(number)} was not handed in")
    built, outcome, errors = ready_lab(submission, number, options)
    return built or pytest.fail("\n".join((outcome.value, *errors)), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a check. A student's failure is told in words, not as a traceback through the grader."""
    declared = check_of(pyfuncitem.function)
    if declared is None:
        return None
    built = pyfuncitem.funcargs["lab"]
    assert isinstance(built, Lab)
    result = pyfuncitem.stash[RESULT] = run_check(declared, built)
    if not result.passed:
        request = Options.from_environment({"seed": built.seed}).request
        pytest.fail(explanation(result, request), pytrace=False)
    return True


class Grading:
    """The pytest plugin of one `make grade`: its items are called in the pool of grade_lab."""

    def __init__(self, options: Options, numbers: list[int], results: Results,
                 watch: Watch) -> None:
        self.options, self.numbers, self.results, self.watch = options, numbers, results, watch
        self.items: dict[str, pytest.Item] = {}
        self.problem: BaseException | None = None
        self.broken: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(report.longreprtext)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            declared = check_of(getattr(item, "function", None))
            if declared:
                self.items[declared.id] = item
            else:
                self.broken.append(f"{item.nodeid} is not declared with @check")

    def pytest_runtestloop(self) -> bool:
        """Grade. What goes wrong is kept for our caller, who reports it in our own words."""
        try:
            if self.broken:
                raise BadCheck("\n".join(self.broken))
            for number in self.numbers:
                self.results.labs.append(self._grade(number))
        except (Exception, KeyboardInterrupt) as problem:
            self.problem = problem
        return True

    def _grade(self, number: int) -> LabResult:
        options, submission = self.options, self.options.submission
        if number not in submission.labs:
            load(number)
            absent = absent_lab(number, lab_name(number), named_checks(number, options.tests))
            self.watch.lab_absent(absent.name)
            return absent
        return grade_lab(submission, number, options, self.watch, self.call)

    def call(self, check: Check, lab: Lab) -> CheckResult:
        """Let pytest call the item of a check, with its fixtures; the result."""
        item = self.items[check.id]
        item.config.stash[GIVEN_LAB] = lab
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        result = item.stash.get(RESULT, None)
        if result is None:
            raise BadCheck("\n".join([f"{check.id} was skipped, which a check cannot be",
                                      *self.broken]))
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Whatever fails before a check is called, a fixture perhaps, is a bug of ours."""
        if report.failed and report.when != "call":
            self.broken.append(report.longreprtext)
