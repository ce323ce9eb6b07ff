"""A student's way through each lab: k exercises solved earn the points of k exercises."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from grade.build import clean_environment
from grade.outcome import Outcome
from grade.results import LabResult
from grade.tests.kernels.grading import LABS, grade, lost, promised_points, remember, worker
from grade.tests.tools.test_starter import MESSAGE
from grade.tree import ROOT, lab_directory
from tools.starter import make_tree
from tools.tree import SOURCES

NOT_WRITTEN_LINE = re.compile(r"^[ \t]*NOT_WRITTEN\b.*\n", re.MULTILINE)
WAYS = [(lab, solved) for lab in LABS for solved in range(len(promised_points(lab)) + 1)]


def starter(lab: int, solved: int) -> Path:
    """The students' tree of a lab, with the earlier labs and the first `solved` exercises done. One
    is made over the other: so only what changed is compiled again."""
    done = list(promised_points(lab))[:solved]
    tree = worker("starters") / f"lab{lab}"
    make_tree(ROOT, tree, lab, lambda each: not each.startswith(f"{lab}.") or each in done)
    return tree


@pytest.mark.parametrize("lab, solved", WAYS)
def test_points_by_exercise(lab: int, solved: int, request: pytest.FixtureRequest) -> None:
    """Asked are the exercise that has just been solved, which earns its points, and the next one,
    which is all that is missing and earns none. The whole lab is graded at the start and half way;
    at the end it is the reference (test_reference.py)."""
    promised = list(promised_points(lab).items())
    whole = solved in (0, len(promised) // 2)
    asked = promised if whole else promised[solved - 1:solved + 1]
    result = grade(starter(lab, solved), lab, f"{worker('starters')}/lab{lab}-build",
                   tests=tuple(each for each, _ in asked), opt="-O2 -Werror")
    expected = {each: points if (each, points) in promised[:solved] else 0
                for each, points in asked}
    remember(request, "starters", f"lab {lab}  first {solved} exercises solved  {result.score:3} "
             f"points of {sum(expected.values()):3} promised{' (whole lab)' if whole else ''}")
    assert {each: earned for each, (earned, _) in result.exercises.items()} == expected, \
        lost(result)
    if solved < len(promised):
        the_next_exercise_is_named(result, promised[solved][0])
    if not solved:
        the_chapter_quotes_it(result, lab)


def the_next_exercise_is_named(result: LabResult, following: str) -> None:
    """What is lost is lost because something is not written, and the report says what."""
    missed = [each for each in result.checks if not each.passed]
    assert {each.outcome for each in missed} == {Outcome.NOT_WRITTEN.value}, lost(result)
    assert any(f"exercise {following} is not written yet" in each.seen for each in missed), \
        lost(result)


def the_chapter_quotes_it(result: LabResult, lab: int) -> None:
    """What the starter says first is in the chapter, word for word."""
    chapter = (lab_directory(ROOT, lab) / "README.md").read_text()
    message = MESSAGE.search(chapter)
    assert message and " ".join(message[0].split()) in {each.seen for each in result.checks}


@pytest.mark.parametrize("lab", LABS)
def test_deleted_lines_score_nothing(lab: int, request: pytest.FixtureRequest) -> None:
    """Whoever deletes the lines that say «not written yet» has functions that do nothing. Nothing
    that was to be seen is seen then, and no check passes because there was nothing to look at."""
    tree = worker("starters") / f"lab{lab}-deleted"
    make_tree(ROOT, tree, lab, lambda each: not each.startswith(f"{lab}."))
    for file in lab_directory(tree, lab).iterdir():
        if file.suffix in SOURCES and not file.is_symlink():
            file.write_text(NOT_WRITTEN_LINE.sub("", file.read_text()))
    result = grade(tree, lab, f"{worker('starters')}/lab{lab}-deleted-build")
    remember(request, "starters", f"lab {lab}  the lines deleted  {result.score:3} points")
    assert not [each.check.id for each in result.checks if each.passed]
    assert all(each.graded for each in result.checks), lost(result)


@pytest.mark.parametrize("lab", LABS)
def test_starter_compiles_without_a_warning(lab: int) -> None:
    """By clang: gcc has compiled it above."""
    subprocess.run(["make", "-C", lab_directory(starter(lab, 0), lab), "CC=clang",
                    "WERROR=-Werror", f"BUILD={worker('starters')}/lab{lab}-clang"],
                   env=clean_environment(), check=True)
