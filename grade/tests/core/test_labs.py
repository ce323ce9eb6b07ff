"""The labs of this tree: their checks are sound and agree with the markers in their sources."""

from __future__ import annotations

import pytest

from grade.build import ROOT
from grade.catalog import check_files, lab_directories, lab_directory, load, named_checks
from grade.check import exercise_points, lab_problems, marker_problems
from grade.errors import CannotGrade
from grade.options import Options


def test_every_lab_has_checks() -> None:
    assert sorted(lab_directories(ROOT)) == sorted(check_files())


@pytest.mark.parametrize("number", sorted(lab_directories(ROOT)))
def test_points_of_a_lab(number: int) -> None:
    checks = load(number)
    assert lab_problems(checks) == []
    assert marker_problems(number, lab_directory(ROOT, number), checks) == []


@pytest.mark.parametrize("number", sorted(lab_directories(ROOT)))
def test_an_exercise_stands_for_the_checks_that_give_its_points(number: int) -> None:
    """make grade TEST=2.3: no lab need be named, and every check is some exercise's."""
    checks, found = load(number), []
    for exercise, points in exercise_points(checks).items():
        assert Options.parse(["--test", exercise]).labs() == [number]
        named = named_checks(number, [exercise])
        assert sum(each.points for each in named) == points
        found += named
    assert sorted(found, key=checks.index) == checks
    with pytest.raises(CannotGrade, match=f"no check {number}.99"):
        named_checks(number, [f"{number}.99", checks[0].id])
