"""What a check is: a function that looks at a running kernel, and the facts on its label."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Union

from grade.outcome import equal, expect

if TYPE_CHECKING:
    from grade.lab import Lab
    Body = Callable[[Lab], None]

__all__ = ["BadCheck", "Check", "REGISTRY", "Registry", "check", "equal", "expect"]

LAB_POINTS = 100
ID = re.compile(r"T([1-9])\.([1-9][0-9]*)")
EXERCISE = re.compile(r"([1-9])\.[1-9][0-9]*")
MARKER = re.compile(r"Exercise ([1-9]\.[1-9][0-9]*) \(([0-9]+) points?\)")


@dataclass(frozen=True)
class Check:
    """A label and a body. The points are earned entire or not at all."""

    id: str
    title: str
    points: int
    exercises: tuple[str, ...]
    hint: str
    debug_at: str
    body: Body

    @property
    def lab(self) -> int:
        return int(self.id[1])

    @property
    def exercise(self) -> str:
        """The exercise that the points belong to: the last of those it takes to pass."""
        return self.exercises[-1]


class BadCheck(Exception):
    """A label that contradicts itself, its neighbours, or the sources: a bug of the grader."""


class Registry:
    """All the checks that were declared, by lab, in the order of their numbers."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, check: Check) -> None:
        """Take a check in; the same function again (a module read twice) replaces itself."""
        other = self._checks.get(check.id)
        if other and _origin(other.body) != _origin(check.body):
            raise BadCheck(f"{check.id} is declared twice: {_origin(other.body)} and "
                           f"{_origin(check.body)}")
        self._checks[check.id] = check

    def of_lab(self, number: int) -> list[Check]:
        return [check for check in self if check.lab == number]

    def __iter__(self) -> Iterator[Check]:
        return iter(sorted(self._checks.values(), key=lambda check: number_key(check.id)))


REGISTRY = Registry()


def check(
    id: str,
    *,
    title: str,
    points: int,
    exercise: Union[str, tuple[str, ...]],
    hint: str,
    debug_at: str,
    registry: Registry = REGISTRY,
) -> Callable[[Body], Body]:
    """Declare a pytest test function of one argument, `lab`, to be a check.

    `exercise` is the one that it grades, or all that it takes to pass, in the chapter's order:
    the points then count for the last. `debug_at` is the function of the kernel at which
    `make debug` stops."""

    def declare(body: Body) -> Body:
        exercises = (exercise,) if isinstance(exercise, str) else tuple(exercise)
        made = Check(id, title, points, exercises, hint, debug_at, body)
        problems = label_problems(made)
        if problems:
            raise BadCheck(f"{id} ({_origin(body)}): " + "; ".join(problems))
        registry.add(made)
        setattr(body, "check", made)
        return body

    return declare


def check_of(function: object) -> Check | None:
    """The check that a test function was declared to be."""
    found = getattr(function, "check", None)
    return found if isinstance(found, Check) else None


def number_key(number: str) -> tuple[int, ...]:
    """T2.10 comes after T2.9, and exercise 2.10 after 2.9."""
    return tuple(int(part) for part in number.lstrip("T").split("."))


def label_problems(made: Check) -> list[str]:
    """What is wrong with the label alone."""
    problems = []
    if not ID.fullmatch(made.id):
        problems.append("an id looks like T2.3")
    if made.points <= 0:
        problems.append("a check has points")
    if not made.exercises or not all(EXERCISE.fullmatch(each) for each in made.exercises):
        problems.append("an exercise looks like 2.3")
    for name in ("title", "hint", "debug_at"):
        if not getattr(made, name).strip():
            problems.append(f"{name} is empty")
    if list(inspect.signature(made.body).parameters) != ["lab"]:
        problems.append("its function takes one argument, lab")
    return problems


def lab_problems(checks: Iterable[Check]) -> list[str]:
    """What is wrong with the checks of one lab taken together."""
    total = sum(each.points for each in checks)
    return [] if total == LAB_POINTS else [f"the points sum to {total}, not {LAB_POINTS}"]


def marked_points(directory: Path) -> dict[str, int]:
    """The points that the exercise markers in a lab's own sources promise."""
    promised: dict[str, int] = {}
    for source in sorted(directory.rglob("*")):
        if source.suffix in (".c", ".h", ".asm") and source.is_file():
            for exercise, points in MARKER.findall(source.read_text(errors="replace")):
                if promised.setdefault(exercise, int(points)) != int(points):
                    raise BadCheck(f"{source}: exercise {exercise} is {promised[exercise]} "
                                   f"points elsewhere, {points} here")
    return promised


def exercise_points(checks: Iterable[Check]) -> dict[str, int]:
    """The points that each exercise can earn."""
    points: Counter[str] = Counter()
    for each in checks:
        points[each.exercise] += each.points
    return dict(points)


def marker_problems(number: int, directory: Path, checks: Iterable[Check]) -> list[str]:
    """Where a lab's sources promise other points for an exercise than its checks give."""
    marked = marked_points(directory)
    promised = {each: points for each, points in marked.items() if each[0] == str(number)}
    given = exercise_points(checks)
    return [f"exercise {each}: the sources promise {promised.get(each, 0)} points, "
            f"the checks give {given.get(each, 0)}"
            for each in sorted({*promised, *given}, key=number_key)
            if promised.get(each, 0) != given.get(each, 0)]


def _origin(body: Body) -> str:
    code = body.__code__ if inspect.isfunction(body) else None
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(body)
