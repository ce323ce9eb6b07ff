"""The checks as pytest items: the `lab` they ask for, and the run loop of `make grade`.

Plain `pytest grade/test_lab1_boot.py -k T1_3` uses the first part alone, with pytest's own report
and the same variables as make (SEED, FROM, CC, OPT). `make grade` adds a Grading, which replaces
pytest's loop over the items by grade_lab and pytest's report by ours."""

from __future__ import annotations

import functools
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from grade.build import build
from grade.catalog import lab_name, load, named_checks
from grade.check import BadCheck, Check, check_of
from grade.errors import CannotGrade
from grade.lab import Lab
from grade.options import Options
from grade.outcome import Failure
from grade.results import LabResult, Results, absent_lab
from grade.run import Watch, grade_lab

GIVEN_LAB = pytest.StashKey[Lab]()


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
    submission = options.submission
    if number not in submission.labs:
        raise CannotGrade(f"{lab_name(number)} was not handed in")
    directory = submission.labs[number]
    built = build(directory, submission.build_dir(number), options.cc, options.opt,
                  common=submission.common)
    return Lab(submission.tree, directory, built, options.seed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Function,
                              call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """A student's failure is told in words, not as a traceback through the grader."""
    outcome = yield
    if call.excinfo and isinstance(call.excinfo.value, Failure):
        failure, lab = call.excinfo.value, item.funcargs.get("lab")
        seed = f"SEED={lab.seed}" if isinstance(lab, Lab) else ""
        outcome.get_result().longrepr = "\n".join([
            str(failure), *failure.details, failure.hint, seed])


class Grading:
    """The pytest plugin of one `make grade`: its items are run by grade_lab."""

    def __init__(self, options: Options, numbers: list[int], results: Results,
                 watch: Watch) -> None:
        self.options, self.numbers, self.results, self.watch = options, numbers, results, watch
        self.items: dict[str, pytest.Item] = {}
        self.raised: BaseException | None = None
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

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
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
        return grade_lab(submission.tree, number, tests=options.tests, seed=options.seed,
                         jobs=options.jobs, build_dir=submission.build_dir(number), cc=options.cc,
                         opt=options.opt, common=submission.common, watch=self.watch,
                         execute=self.execute)

    def execute(self, check: Check, lab: Lab) -> None:
        """Run a check's item through pytest's protocol, and raise what it raised."""
        item = self.items[check.id]
        item.config.stash[GIVEN_LAB] = lab
        self.raised = None
        reports = runtestprotocol(item, log=False)
        if not all(report.passed for report in reports):
            raise self.raised or BadCheck(f"{check.id} was skipped, which a check cannot be")

    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        """Called with the first exception of an item, in any of its phases."""
        if call.excinfo and not self.raised:
            self.raised = call.excinfo.value
