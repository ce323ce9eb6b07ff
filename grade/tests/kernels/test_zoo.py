"""The zoo: every known bug is caught by the check that it names, and explained in its words."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grade.catalog import load
from grade.results import LabResult
from grade.tests.kernels.grading import LABS, grade, remember, worker
from grade.tree import ROOT
from tools.bug import Bug, BugError, all_bugs, copy_tree

BUGS = [bug for bug in all_bugs() if bug.lab in LABS]


@functools.lru_cache(maxsize=None)
def cage() -> Path:
    """The tree of this worker, in which one bug after the other lives: so a bug costs the
    compilation of what it changes, and not of a kernel. What an earlier session built may have its
    last bug of a file in it, and be newer than the file."""
    shutil.rmtree(worker("zoo"), ignore_errors=True)
    tree = worker("zoo") / "tree"
    copy_tree(tree)
    return tree


@contextmanager
def caged(bug: Bug) -> Iterator[Path]:
    """The tree with the bug in it, and without it again. What is restored is new to make."""
    tree = cage()
    done = subprocess.run(["patch", "-p1", "--batch", "--forward", "--fuzz=0", "--reject-file=-",
                           "--no-backup-if-mismatch"], cwd=tree, input=bug.change, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        if done.returncode != 0:
            raise BugError(f"{bug.name} no longer fits the reference:\n{done.stdout}")
        yield tree
    finally:
        for name in bug.files:
            (tree / name).write_bytes((ROOT / name).read_bytes())


def row(bug: Bug, result: LabResult) -> str:
    """A line of the kill table."""
    checks = "  ".join(f"{each.check.id} {'SURVIVED' if each.passed else each.outcome}"
                       for each in result.checks)
    return f"lab {bug.lab}  {bug.name:44}  {checks}"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_is_caught(bug: Bug, request: pytest.FixtureRequest) -> None:
    with caged(bug) as tree:
        result = grade(tree, bug.lab, f"{worker('zoo')}/lab{bug.lab}", tests=bug.caught_by)
    remember(request, "kill table", row(bug, result))
    assert not [each.check.id for each in result.checks if each.passed], f"survived: {bug.title}"
    assert all(each.graded for each in result.checks), [each.details for each in result.checks]
    assert not result.build_errors, f"it does not compile: {result.build_errors}"
    said = "\n".join("\n".join((each.seen, each.expected, each.hint, *each.details))
                     for each in result.checks)
    for words in bug.says:
        assert words.lower() in said.lower(), f"nothing says «{words}»:\n{said}"


def test_every_check_has_a_bug() -> None:
    """A check that no bug makes fail is not a check."""
    checks = {check.id for lab in LABS for check in load(lab)}
    killers = {id for bug in BUGS for id in bug.caught_by}
    assert not checks - killers, f"no bug makes these fail: {sorted(checks - killers)}"
