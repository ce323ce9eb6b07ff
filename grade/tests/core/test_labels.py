"""A check's label is sound, agrees with its neighbours, and with the markers in the sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grade.check import (BadCheck, Check, Registry, check, exercise_points, lab_problems,
                         marker_problems, number_key)
from grade.lab import Lab

GOOD: dict[str, Any] = {"title": "a title", "points": 40, "exercise": "1.1", "hint": "think",
                        "debug_at": "kmain"}


def declare(registry: Registry, id: str = "T1.1", body: Callable[..., None] | None = None,
            **label: Any) -> None:
    def test_body(lab: Lab) -> None:
        pass
    check(id, **{**GOOD, **label}, registry=registry)(body or test_body)


def declared(*labels: tuple[str, int, Any]) -> list[Check]:
    registry = Registry()
    for id, points, exercise in labels:
        body: dict[str, Callable[..., None]] = {}
        exec("def test_body(lab): pass", body)
        declare(registry, id, body["test_body"], points=points, exercise=exercise)
    return list(registry)


@pytest.mark.parametrize("label", [
    {"id": "1.1"}, {"id": "T0.1"}, {"id": "T1.01"}, {"points": 0}, {"points": -1},
    {"exercise": "one"}, {"exercise": ()}, {"title": " "}, {"hint": ""}, {"debug_at": ""},
])
def test_bad_label_is_refused(label: dict[str, Any]) -> None:
    with pytest.raises(BadCheck):
        declare(Registry(), **label)


def test_body_takes_lab_and_nothing_else() -> None:
    def test_body(lab: Lab, other: int) -> None:
        pass
    with pytest.raises(BadCheck, match="one argument, lab"):
        declare(Registry(), "T1.1", test_body)


def test_id_belongs_to_one_function() -> None:
    def test_one(lab: Lab) -> None:
        pass

    def test_other(lab: Lab) -> None:
        pass
    registry = Registry()
    declare(registry, "T1.1", test_one)
    declare(registry, "T1.1", test_one)
    with pytest.raises(BadCheck, match="declared twice"):
        declare(registry, "T1.1", test_other)


def test_numbers_are_ordered_as_numbers() -> None:
    assert sorted(["T1.10", "T1.9", "T1.1"], key=number_key) == ["T1.1", "T1.9", "T1.10"]


def test_points_of_a_lab_sum_to_100() -> None:
    assert lab_problems(declared(("T1.1", 60, "1.1"), ("T1.2", 40, "1.2"))) == []
    assert lab_problems(declared(("T1.1", 60, "1.1"), ("T1.2", 39, "1.2"))) == [
        "the points sum to 99, not 100"]


def test_points_count_for_the_last_exercise_it_takes() -> None:
    checks = declared(("T1.1", 60, "1.1"), ("T1.2", 25, ("1.1", "1.2")), ("T1.3", 15, "1.2"))
    assert exercise_points(checks) == {"1.1": 60, "1.2": 40}


def test_points_agree_with_the_markers(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("/* Exercise 1.1 (60 points). Walk. */")
    (tmp_path / "b.asm").write_text("; Exercise 1.2 (40 points).\n; Exercise 2.1 (9 points)")
    good = declared(("T1.1", 60, "1.1"), ("T1.2", 40, "1.2"))
    assert marker_problems(1, tmp_path, good) == []
    bad = declared(("T1.1", 60, "1.1"), ("T1.2", 40, "1.3"))
    assert marker_problems(1, tmp_path, bad) == [
        "exercise 1.2: the sources promise 40 points, the checks give 0",
        "exercise 1.3: the sources promise 0 points, the checks give 40"]


def test_a_marker_has_one_number_of_points(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("/* Exercise 1.1 (60 points) */")
    (tmp_path / "b.h").write_text("/* Exercise 1.1 (50 points) */")
    with pytest.raises(BadCheck, match="60"):
        marker_problems(1, tmp_path, [])
