"""All records as class.csv, class.json and class.html."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from grade.results import ABSENT, replace_file
from tools.classroom import record
from tools.classroom.likeness import Near
from tools.classroom.plan import Plan

ABSENT_STUDENT = "no submission"
BARS = 11  # of a histogram: 0 to 9 per cent, …, 100
Record = Mapping[str, Any]


def write(plan: Plan, records: Sequence[Record], absent: Sequence[str], near: Sequence[Near],
          undone: Mapping[str, str]) -> dict[str, Any]:
    """Write the three files; what they tell."""
    told = summary(plan, records, absent, near, undone)
    replace_file(plan.place / "class.csv", as_csv(records, absent))
    replace_file(plan.place / "class.json", json.dumps(told, indent=1) + "\n")
    replace_file(plan.place / "class.html", as_html(told))
    return told


def summary(plan: Plan, records: Sequence[Record], absent: Sequence[str], near: Sequence[Near],
            undone: Mapping[str, str]) -> dict[str, Any]:
    """class.json, as class.schema.json describes it."""
    graded = [each for each in records if each["end"] == record.GRADED]
    return {
        "version": record.RECORD_FORMAT,
        "students": [student(each) for each in records],
        "absent": list(absent),
        "undone": dict(undone),
        "ends": dict(Counter(each["end"] for each in records)),
        "labs": [lab_summary(number, graded) for number in lab_numbers(graded)],
        "review": review(records),
        "near": [{"one": each.one, "other": each.other, "per_cent": each.per_cent}
                 for each in near],
        "cpu_seconds": round(sum(each["cpu_seconds"] for each in records), 1),
        "sandbox": plan.sandbox or "bubblewrap",
    }


def student(each: Record) -> dict[str, Any]:
    wanted = ("student", "label", "end", "score", "maximum", "seed", "before", "words",
              "cpu_seconds")
    return {**{name: each[name] for name in wanted},
            "labs": {str(lab["number"]): lab["score"] for lab in labs_of(each)}}


def labs_of(each: Record) -> list[Mapping[str, Any]]:
    labs: list[Mapping[str, Any]] = each["results"]["labs"] if each["results"] else []
    return labs


def lab_numbers(records: Iterable[Record]) -> list[int]:
    return sorted({lab["number"] for each in records for lab in labs_of(each)})


def lab_summary(number: int, graded: Sequence[Record]) -> dict[str, Any]:
    """How a class did in a lab: a histogram, each exercise, and each check with what most of those
    saw who lost it."""
    labs = [lab for each in graded for lab in labs_of(each) if lab["number"] == number]
    histogram = [0] * BARS
    for lab in labs:
        histogram[lab["score"] * (BARS - 1) // max(1, lab["maximum"])] += 1
    return {
        "number": number, "name": labs[0]["name"], "maximum": labs[0]["maximum"],
        "graded": len(labs),
        "absent": sum(all(check["outcome"] == ABSENT for check in lab["checks"]) for lab in labs),
        "mean": round(sum(lab["score"] for lab in labs) / len(labs), 1),
        "histogram": histogram,
        "exercises": [mean_of(rows) for rows in zip(*(lab["exercises"] for lab in labs))],
        "checks": [check_summary(rows) for rows in zip(*(lab["checks"] for lab in labs))],
    }


def mean_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"id": rows[0]["id"], "maximum": rows[0]["maximum"],
            "mean": round(sum(row["points"] for row in rows) / len(rows), 2)}


def check_summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    lost = [row for row in rows if row["points"] < row["maximum"]]
    seen = Counter(row["seen"] for row in lost).most_common(1)
    return {"id": rows[0]["id"], "title": rows[0]["title"], "lost": len(lost), "of": len(rows),
            "outcomes": dict(Counter(row["outcome"] for row in rows)),
            "most": {"seen": seen[0][0][:500], "count": seen[0][1]} if seen else None}


def review(records: Iterable[Record]) -> list[dict[str, str]]:
    """What a person should look at, and why."""
    found = []
    for each in records:
        if each["end"] != record.GRADED:
            found.append({"student": each["student"], "why": f"{each['end']}: {each['words']}"})
            continue
        for lab in labs_of(each):
            for error in lab["build"]["errors"]:
                if "outside" in error:
                    found.append({"student": each["student"], "why": f"{lab['name']}: {error}"})
            stopped = [check["id"] for check in lab["checks"] if check["outcome"] == "spinning"]
            if stopped:
                found.append({"student": each["student"], "why":
                              f"{lab['name']}: ended at a limit: {', '.join(stopped)}"})
    return found


def as_csv(records: Sequence[Record], absent: Sequence[str]) -> str:
    """A row for each student, those without a submission too."""
    numbers = lab_numbers(records)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["student", "end", "score", "maximum", *(f"lab{each}" for each in numbers),
                    "seed", "score before", "cpu seconds", "words"])
    for each in records:
        scores = {lab["number"]: lab["score"] for lab in labs_of(each)}
        table.writerow([harmless(each["student"]), each["end"], each["score"], each["maximum"],
                        *(scores.get(number, "") for number in numbers), each["seed"],
                        each["before"]["score"] if each["before"] else "", each["cpu_seconds"],
                        harmless(each["words"])])
    for name in absent:
        table.writerow([harmless(name), ABSENT_STUDENT, 0, "", *("" for _ in numbers), "", "", "",
                        ""])
    return text.getvalue()


def harmless(cell: str) -> str:
    """A spreadsheet takes these for the beginning of a formula."""
    cell = " ".join(record.plain(cell).split())
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def as_html(told: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent),
                                     autoescape=True, undefined=jinja2.StrictUndefined,
                                     trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = record.plain
    return environment.get_template("class.html.jinja").render(told)
