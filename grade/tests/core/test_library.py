"""grade_lab as a function: called often in one process, with nothing left from call to call."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from grade.tests.core.course import ROOT, Course

SCRIPT = """
import json, sys
from pathlib import Path
from grade.intake import Submission
from grade.options import Options
from grade.run import grade_lab
from grade.tree import labs
tree, out, broken, tests = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
kernel = tree / "lab1-fake" / "kernel.c"
good = kernel.read_text()
runs = []
for number in range(6):
    kernel.write_text("nonsense" if number == broken else good)
    options = Options(1, tests or None, number // 2, 2, "", "gcc", "-O2")
    result = grade_lab(Submission(tree, labs(tree), products=out), 1, options)
    runs.append({"score": result.score, "maximum": result.maximum, "errors": result.build_errors,
                 "seen": {id: each.seen for id, each in result.by_id().items()}})
print(json.dumps(runs))
"""


def call(course: Course, *tests: str, broken: int = -1) -> Any:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(course.tree), str(course.out),
                           str(broken), *tests], cwd=ROOT, env=course.environment(),
                          text=True, stdout=subprocess.PIPE, timeout=600, check=True)
    return json.loads(done.stdout)


def test_calls_do_not_see_each_other(course: Course) -> None:
    course.write_checks(1, """
        assert "LEAK" not in os.environ
        os.environ["LEAK"] = "1"
        expect(False, str(lab.rng.getrandbits(64)), "")
        """)
    runs = call(course)
    assert {run["score"] for run in runs} == {40}
    seen = [run["seen"]["T1.1"] for run in runs]
    assert seen[0::2] == seen[1::2] and len(set(seen)) == 3


def test_a_submission_is_built_each_time(course: Course) -> None:
    runs = call(course, broken=3)
    assert [run["score"] for run in runs] == [100, 100, 100, 0, 100, 100]
    assert [bool(run["errors"]) for run in runs] == [False, False, False, True, False, False]


def test_chosen_checks_only(course: Course) -> None:
    assert {run["maximum"] for run in call(course, "T1.2")} == {40}
