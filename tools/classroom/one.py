"""Grade one submission: its record, and what its student is shown. The engines start this.

    tools/python -m tools.classroom.one OUT LABEL...
    tools/python -m tools.classroom.one OUT --part 3 --of 40      every fortieth of OUT/todo.txt"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grade.build import end_group
from grade.errors import BadSubmission, CannotGrade
from grade.machine.qemu import guardian
from grade.results import PROBLEM, replace_file
from grade.tree import ROOT
from tools import command
from tools.classroom import feedback, record
from tools.classroom.handed_in import HandedIn, find, tree_of
from tools.classroom.plan import Plan

TODO = "todo.txt"
STUDENTS, FAULTS = "students", "faults"
KEPT = ("results.json", "report.html")
MOST_WORDS = 4000


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.classroom.one", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("labels", nargs="*")
    parser.add_argument("--part", type=int)
    parser.add_argument("--of", type=int, default=1)
    asked = parser.parse_args()
    plan = Plan.read(asked.out)
    labels = asked.labels
    if asked.part is not None:
        labels = (asked.out / TODO).read_text().split()[asked.part::asked.of]
    everything = {each.label: each for each in find(Path(plan.submissions))}
    status = 0
    for label in labels:
        if not grade_one(plan, everything[label]):
            status = 1
    return status


def grade_one(plan: Plan, handed_in: HandedIn) -> bool:
    """Grade it, if its record is not what it would be again. False: this machine cannot."""
    fault = plan.place / FAULTS / f"{handed_in.label}.txt"
    fault.unlink(missing_ok=True)
    try:
        with work_place(plan, handed_in.label) as place:
            grade_in(place, plan, handed_in)
    except (CannotGrade, OSError) as refusal:
        fault.parent.mkdir(exist_ok=True)
        replace_file(fault, f"{refusal}\n")
        return False
    return True


@contextlib.contextmanager
def work_place(plan: Plan, label: str) -> Iterator[Path]:
    """A directory of its own: of two that grade the same, neither meets the other's files."""
    home = plan.place / "work"
    home.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=home, prefix=f"{label}-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def grade_in(place: Path, plan: Plan, handed_in: HandedIn) -> None:
    old = record.read(plan, handed_in.label)
    try:
        tree = tree_of(handed_in.path, place / "tree")
        content, look = record.content_of(tree, plan)
    except BadSubmission as refusal:
        words = record.told(str(refusal), plan, place)
        key = record.key(plan, handed_in.student, words)
        if not old or old["key"] != key:
            finish(plan, handed_in, key, old, end=record.PROBLEM, words=words)
        return
    key = record.key(plan, handed_in.student, content)
    if old and old["key"] == key:
        return
    end, words, results = run(place, plan, handed_in.student, tree)
    finish(plan, handed_in, key, old, end=end, words=words, results=results,
           files=len(look.files), shown=place / "out")


def run(place: Path, plan: Plan, student: str, tree: Path
        ) -> tuple[str, str, dict[str, Any] | None]:
    """The grader, in a process that can be ended: how it went, words, and results.json."""
    words = [*guardian(), sys.executable, "-m", "grade", "--from", str(tree),
             "--out", str(place / "out"), "--seed", str(plan.seed(student)), "--jobs", "1",
             "--cc", plan.cc, f"--opt={plan.opt}"]
    words += ["--lab", str(plan.lab)] if plan.lab else []
    words += ["--test", ",".join(plan.tests)] if plan.tests else []
    words += ["--sandbox", plan.sandbox] if plan.sandbox else []
    with open(place / "said", "wb") as said:
        process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=said, stderr=said, start_new_session=True)
        try:
            status = process.wait(plan.limit)
        except subprocess.TimeoutExpired:
            end_group(process)
            return record.LATE, f"it was not graded within {plan.limit:.0f} seconds", None
        except BaseException:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            end_group(process)
            raise
    if status in (0, 1):
        results: dict[str, Any] = json.loads((place / "out/results.json").read_text())
        return record.GRADED, "", results
    problem = place / "out" / PROBLEM
    if problem.is_file():
        return record.PROBLEM, record.told(problem.read_text(), plan, place), None
    tail = (place / "said").read_bytes()[-MOST_WORDS:].decode(errors="replace")
    raise CannotGrade(f"the grader ended with status {status}:\n{tail}")


def environment() -> dict[str, str]:
    """What a person asked of the class is in the plan, and nowhere else."""
    asked = ("LAB", "TEST", "SEED", "JOBS", "FROM", "CC", "OPT", "SANDBOX", "MAKEFLAGS")
    return {name: value for name, value in os.environ.items() if name not in asked}


def finish(plan: Plan, handed_in: HandedIn, key: str, old: Mapping[str, Any] | None, *, end: str,
           words: str, results: dict[str, Any] | None = None, files: int = 0,
           shown: Path | None = None) -> None:
    """What the student is shown, and then, in one moment, the record."""
    made = {
        "version": record.RECORD_FORMAT, "student": handed_in.student, "label": handed_in.label,
        "key": key, "seed": plan.seed(handed_in.student), "end": end,
        "words": words[:MOST_WORDS], "files": files,
        "score": results["score"] if results else 0,
        "maximum": results["maximum"] if results else 0,
        "results": record.without_details(results) if results else None,
        "cpu_seconds": round(processor_time(results), 1),
        "before": record.before(old),
    }
    show(plan, made, shown)
    record.write(plan, handed_in.label, made)


def processor_time(results: Mapping[str, Any] | None) -> float:
    """Of the grader, its checks and their machines. That of a box's compilers nobody is told."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    checks = (check["seconds"] for lab in (results["labs"] if results else ())
              for check in lab["checks"])
    return used.ru_utime + used.ru_stime + sum(checks)


def show(plan: Plan, made: Mapping[str, Any], shown: Path | None) -> None:
    """The student's own directory: feedback as text and, if all may be seen, the report."""
    place = plan.place / STUDENTS / made["label"]
    place.mkdir(parents=True, exist_ok=True)
    replace_file(place / "feedback.txt", feedback.text(made, plan.detail))
    for name in KEPT:
        (place / name).unlink(missing_ok=True)
        if shown and plan.detail == "full" and (shown / name).is_file():
            shutil.copyfile(shown / name, place / name)


if __name__ == "__main__":
    command.run("class", main)
