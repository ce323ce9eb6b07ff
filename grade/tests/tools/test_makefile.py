"""The Makefile: its table, the choice of a lab, and the order of goals on a bare machine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from grade.tests.tools.conftest import Run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bare(fake_tree: Path) -> Path:
    """The real Makefile over small labs, where Python appears only once setup has run."""
    for name in ("Makefile", "common/tree.mk", "common/symbols.awk", "tools/authors.mk"):
        shutil.copy(ROOT / name, fake_tree / name)
    for name in ("lab1-boot", "lab2-paging"):
        (fake_tree / name / "Makefile").write_text("iso kernel:\n\t@echo $@ of $(CURDIR)\n")
    scripts = {
        "setup": "sleep 0.3; printf '#!/bin/sh\\necho python \"$@\" LAB=$LAB TEST=$TEST\\n'"
                 " > tools/python; chmod +x tools/python; echo set up",
        "lint": "echo linted",
    }
    for name, body in scripts.items():
        (fake_tree / "tools" / name).write_text(f"#!/bin/sh\n{body}\n")
        (fake_tree / "tools" / name).chmod(0o755)
    return fake_tree


def test_the_table_names_every_goal(run: Run) -> None:
    said = run("make").stdout
    text = (ROOT / "Makefile").read_text() + (ROOT / "tools/authors.mk").read_text()
    goals = {goal for line in re.findall(r"^\.PHONY: (.*)$", text, re.M) for goal in line.split()}
    for goal in goals - {"help", "kernel", "graded"}:
        assert re.search(rf"^  make {goal}\b", said, re.M), goal


@pytest.mark.parametrize("options", [[], ["-j"], ["-j8"]])
@pytest.mark.parametrize("goal", ["check", "run", "grade"])
def test_setup_comes_first_also_on_a_bare_machine(bare: Path, run: Run, options: list[str],
                                                  goal: str) -> None:
    done = run("make", *options, "setup", goal, "LAB=1", cwd=bare)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "set up"
    assert lines[-1].startswith({"check": "python -m pytest", "grade": "python -m grade LAB=1",
                                 "run": "python -m tools.run lab1-boot"}[goal])


def test_a_failed_setup_ends_it(bare: Path, run: Run) -> None:
    (bare / "tools/setup").write_text("#!/bin/sh\nexit 1\n")
    done = run("make", "setup", "run", cwd=bare)
    assert done.returncode != 0 and "iso" not in done.stdout


def test_the_newest_lab_is_the_default(bare: Path, run: Run) -> None:
    assert run("make", "kernel", cwd=bare).stdout == f"kernel of {bare}/lab2-paging\n"
    assert run("make", "kernel", "LAB=1", cwd=bare).stdout == f"kernel of {bare}/lab1-boot\n"


def test_grade_without_a_lab_leaves_the_choice_to_the_grader(bare: Path, run: Run) -> None:
    said = run("make", "setup", "grade", "TEST=T1.3", cwd=bare).stdout
    assert said.splitlines()[-1] == "python -m grade LAB= TEST=T1.3"


@pytest.mark.parametrize("lab", ["3", "x", "1 2", "lab1-boot"])
def test_a_wrong_lab_lists_the_right_ones(bare: Path, run: Run, lab: str) -> None:
    done = run("make", "run", f"LAB={lab}", cwd=bare)
    assert done.returncode == 2
    assert f"There is no lab {lab}." in done.stderr
    assert "LAB=1 (lab1-boot) LAB=2 (lab2-paging)" in done.stderr


def test_clean_removes_build_and_nothing_else(bare: Path, run: Run) -> None:
    before = {path for path in bare.rglob("*") if "build" not in path.relative_to(bare).parts}
    assert run("make", "clean", cwd=bare).returncode == 0
    assert {path for path in bare.rglob("*")} == before


def test_students_get_a_table_of_what_they_have(bare: Path, run: Run) -> None:
    (bare / "tools/authors.mk").unlink()
    said = run("make", cwd=bare).stdout
    assert "make grade" in said and "make check" not in said and "make starter" not in said


def test_gdb_says_what_to_do_first(run: Run, bare: Path) -> None:
    for name in ("gdb", "cross"):
        shutil.copy(ROOT / "tools" / name, bare / "tools" / name)
    done = run("make", "gdb", "LAB=1", cwd=bare)
    assert done.returncode != 0 and "make debug LAB=1" in done.stderr
