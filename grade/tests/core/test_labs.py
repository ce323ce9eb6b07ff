"""The labs of this tree: their checks are sound and agree with the markers in their sources."""

from __future__ import annotations

import pytest

from grade.build import ROOT
from grade.catalog import check_files, lab_directories, lab_directory, load
from grade.check import lab_problems, marker_problems


def test_every_lab_has_checks() -> None:
    assert sorted(lab_directories(ROOT)) == sorted(check_files())


@pytest.mark.parametrize("number", sorted(lab_directories(ROOT)))
def test_points_of_a_lab(number: int) -> None:
    checks = load(number)
    assert lab_problems(checks) == []
    assert marker_problems(number, lab_directory(ROOT, number), checks) == []
