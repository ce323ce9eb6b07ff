"""What these tests share: where kernels are built, and grading one of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grade.catalog import gradable
from grade.check import marked_points, number_key
from grade.intake import Submission
from grade.options import Options
from grade.results import LabResult
from grade.run import grade_lab
from grade.tree import ROOT, lab_directory, labs

WORK = ROOT / "build" / "tests"
LABS = gradable(ROOT)
SEED = 20231114
WITH_SHELL = 5  # from this lab on a kernel without a program of ours waits for commands


def grade(tree: Path, lab: int, name: str | Path, *, tests: tuple[str, ...] | None = None,
          cc: str = "gcc", opt: str = "-O2") -> LabResult:
    """Grade a lab of a tree, one check at a time: pytest runs these tests in parallel."""
    submission = Submission(tree, labs(tree), products=WORK / name / "build")
    return grade_lab(submission, lab, Options(lab, tests, SEED, 1, "", cc, opt))


def worker(name: str) -> Path:
    """A directory of this process alone: tests of other workers use others."""
    return WORK / f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


def promised_points(lab: int) -> dict[str, int]:
    """The exercises of a lab in the chapter's order, with the points that its sources promise."""
    points = marked_points(lab_directory(ROOT, lab))
    return {each: points[each] for each in sorted(points, key=number_key)
            if each.startswith(f"{lab}.")}


def lost(result: LabResult) -> str:
    """The checks that did not pass, as a test's failure message shows them."""
    return "\n".join(f"{each.check.id} {each.check.title}: {each.outcome}: {each.seen} "
                     f"(expected: {each.expected})" for each in result.checks if not each.passed)


def remember(request: pytest.FixtureRequest, table: str, row: str) -> None:
    """Add a row to a table that is printed when all tests have run (conftest.py)."""
    request.node.user_properties.append((f"table: {table}", row))
