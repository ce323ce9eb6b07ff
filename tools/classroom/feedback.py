"""A student's feedback as text: as much of it as the instructor wants students to see.

    score   the points of each exercise
    what    and for each lost check what was seen and what was expected
    full    and hints, and how to repeat it"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from grade.errors import printable

WIDTH = 80


def text(record: Mapping[str, Any], detail: str) -> str:
    return printable("\n".join(lines(record, detail))) + "\n"


def lines(record: Mapping[str, Any], detail: str) -> Iterator[str]:
    results = record["results"]
    if not results:
        yield f"Nothing could be graded: it {record['end']}." \
            if record["end"].startswith("cannot") else f"Nothing was graded: {record['end']}."
        yield from paragraph(record["words"])
        return
    yield f"{record['score']}/{record['maximum']} points"
    if record["before"]:
        yield f"before: {record['before']['score']}/{record['before']['maximum']}"
    yield f"The inputs are those of SEED={record['seed']}: `make grade SEED={record['seed']}` " \
          "repeats them."
    if results["sandbox"] == "none":
        yield "sandbox: none"
    for lab in results["labs"]:
        yield from lab_lines(lab, detail)


def lab_lines(lab: Mapping[str, Any], detail: str) -> Iterator[str]:
    yield ""
    yield f"{lab['name']}: {lab['score']}/{lab['maximum']}"
    for exercise in lab["exercises"]:
        yield f"    exercise {exercise['id']}: {exercise['points']}/{exercise['maximum']}"
    if detail == "score":
        return
    told: set[tuple[str, str]] = set()
    for check in lab["checks"]:
        if check["points"] == check["maximum"]:
            continue
        yield ""
        yield f"  {check['id']} {check['title']}: {check['outcome']}"
        if (check["seen"], check["hint"]) in told:
            yield "    as above"
            continue
        told.add((check["seen"], check["hint"]))
        yield from paragraph("seen: " + check["seen"])
        if check["expected"]:
            yield from paragraph("expected: " + check["expected"])
        if detail == "full":
            yield from paragraph("hint: " + check["hint"]) if check["hint"] else ()
            yield f"    repeat: {check['repeat']}"


def paragraph(words: str) -> Iterator[str]:
    for line in words.splitlines():
        yield from textwrap.wrap(line, WIDTH, initial_indent="    ", subsequent_indent="      ",
                                 break_long_words=False, break_on_hyphens=False)
