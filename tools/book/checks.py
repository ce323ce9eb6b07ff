"""The index of checks, from their labels: what each is worth, and what it looks at."""

from __future__ import annotations

import inspect
import re

from grade import tree
from grade.catalog import load
from grade.check import Check, exercise_points, number_key
from grade.tree import ROOT


def page(labs: list[int]) -> str:
    lines = ["# The checks", "",
             "What the grader looks at, lab by lab. `make grade TEST=T2.3` runs one of them,",
             "`make debug TEST=T2.3` opens gdb at the function that it names. A check gives its",
             "points entire or not at all.", ""]
    for number in labs:
        checks = load(number)
        chapter = tree.labs(ROOT)[number].name
        lines += [f"## Lab {number}", ""]
        points = exercise_points(checks)
        for exercise in sorted(points, key=number_key):
            lines += [f"### [Exercise {exercise}](/{chapter}.md) ({count(points[exercise])})", ""]
            for each in (each for each in checks if each.exercise == exercise):
                lines += entry(each)
    return "\n".join(lines)


def entry(check: Check) -> list[str]:
    """One check. Its label in front can be linked to."""
    others = [exercise for exercise in check.exercises if exercise != check.exercise]
    takes = f" It takes exercise {' and '.join(others)} as well." if others else ""
    return [f"(check-{check.id.lower()})=",
            f"**{check.id}** {escaped(check.title)} *({count(check.points)})*<br>",
            f"{looks_at(check)}{takes} `make debug` stops at `{check.debug_at}`.", ""]


def looks_at(check: Check) -> str:
    """What the check's function says of itself."""
    return escaped(" ".join((inspect.getdoc(check.body) or "").split()))


def escaped(text: str) -> str:
    return re.sub(r"([\\*_<\[])", r"\\\1", text) if "`" not in text else text


def count(points: int) -> str:
    return f"{points} point{'' if points == 1 else 's'}"
