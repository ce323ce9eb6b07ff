"""The real labs in the boxes: what they read, boot and link is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grade import box
from grade.tests.kernels.grading import LABS
from grade.tree import ROOT, labs

# One lab whole. Of the others what takes a file, a machine or a program that no other check takes:
# a disc; the programs of common/user; 128 MiB; the shell.
CHECKS = {2: "T2.19", 3: "T3.1", 4: "T4.20", 5: "T5.6", 6: "T6.3,T6.12"}


@pytest.mark.skipif(bool(box.why_not()), reason=f"no box here: {box.why_not()}")
@pytest.mark.parametrize("lab", LABS)
def test_the_reference_has_full_marks_in_the_box(lab: int, tmp_path: Path) -> None:
    for directory in labs(ROOT).values():
        shutil.copytree(directory, tmp_path / "tree" / directory.name, symlinks=True)
    environment = {name: value for name, value in os.environ.items() if name not in (
        "LAB", "TEST", "SEED", "FROM", "SANDBOX", "CC", "OPT")}
    done = subprocess.run(
        [sys.executable, "-m", "grade", "--from", str(tmp_path / "tree"), "--out",
         str(tmp_path / "out"), "--lab", str(lab), "--jobs", "1", "--test", CHECKS.get(lab, "")],
        cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["score"] == results["maximum"] > 0 and results["sandbox"] == "bubblewrap"
    assert str(tmp_path) not in json.dumps(results)
