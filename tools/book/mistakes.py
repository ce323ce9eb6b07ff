"""The mistakes that the grader is known to catch, and what it says: the zoo as a page for
instructors. Only the full tree has a zoo."""

from __future__ import annotations

from collections import defaultdict

from grade.catalog import load
from grade.check import number_key
from tools.book.checks import escaped
from tools.bug import Bug, all_bugs


def page(labs: list[int]) -> str:
    lines = ["# Mistakes, and what the grader says", "",
             "Each of these was put into the reference, and the grader's report was read: `make",
             "check` does so with all of them. A mistake stands with the exercise whose check",
             "notices it first. `make bug BUG=name` shows one being caught.", ""]
    for number in labs:
        exercises = {check.id: check.exercise for check in load(number)}
        by_exercise = defaultdict(list)
        for bug in all_bugs():
            if bug.lab == number:
                by_exercise[exercises[min(bug.caught_by, key=number_key)]].append(bug)
        lines += [f"## Lab {number}", ""]
        for exercise in sorted(by_exercise, key=number_key):
            lines += [f"### Mistakes in exercise {exercise}", "",
                      "| mistake | the report says | checks | name |", "|---|---|---|---|",
                      *map(row, by_exercise[exercise]), ""]
    return "\n".join(lines)


def row(bug: Bug) -> str:
    said = ", ".join(code(words) for words in bug.says)
    return (f"| {cell(escaped(bug.title))} | {said} | {', '.join(bug.caught_by)} "
            f"| {code(bug.name)} |")


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{cell(text)}{fence}" if fence == "`" else f"{fence} {cell(text)} {fence}"
