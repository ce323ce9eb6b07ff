"""The labs of this tree: their checks are sound and agree with the markers in their sources,
their interfaces can be relied on, and the map of the grader shows what there is."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from grade.catalog import check_files, load, named_checks
from grade.check import exercise_points, lab_problems, marker_problems
from grade.errors import CannotGrade
from grade.options import Options
from grade.tree import ROOT, lab_directory, labs

GRADE = ROOT / "grade"


def test_every_lab_has_checks() -> None:
    assert sorted(labs(ROOT)) == sorted(check_files())


@pytest.mark.parametrize("number", sorted(labs(ROOT)))
def test_points_of_a_lab(number: int) -> None:
    checks = load(number)
    assert lab_problems(checks) == []
    assert marker_problems(number, lab_directory(ROOT, number), checks) == []


@pytest.mark.parametrize("number", sorted(labs(ROOT)))
def test_an_exercise_stands_for_the_checks_that_give_its_points(number: int) -> None:
    """make grade TEST=2.3: no lab need be named, and every check is some exercise's."""
    checks, found = load(number), []
    for exercise, points in exercise_points(checks).items():
        assert Options.parse(["--test", exercise]).labs() == [number]
        named = named_checks(number, [exercise])
        assert sum(each.points for each in named) == points
        found += named
    assert sorted(found, key=checks.index) == checks
    with pytest.raises(CannotGrade, match=f"no check {number}.99"):
        named_checks(number, [f"{number}.99", checks[0].id])


# ---- labN.h


def compiler(number: int, build_dir: Path) -> list[str]:
    """The compiler and its flags, as make has them for the lab's main.c."""
    directory = lab_directory(ROOT, number)
    said = subprocess.run(["env", "-u", "MAKEFLAGS", "-u", "LAB", "make", "-n", "-B", "V=1",
                           "kernel", f"BUILD={build_dir}"], cwd=directory, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.replace("\\\n", " ")
    command = next(shlex.split(line) for line in said.splitlines()
                   if f"/{directory.name}/main.c " in line)
    return command[command.index("&&") + 1:command.index("-MD")]


@pytest.mark.parametrize("number", sorted(labs(ROOT)))
def test_a_lab_has_its_interface_and_those_before_it(number: int, tmp_path: Path) -> None:
    """main.c includes labN.h; it and those of the labs before it compile, each by itself."""
    directory = lab_directory(ROOT, number)
    assert f'#include "lab{number}.h"\n' in (directory / "main.c").read_text()
    headers = sorted(path.name for path in directory.glob("lab[1-9].h"))
    assert headers == [f"lab{each}.h" for each in range(1, number + 1)]
    compile_alone = [*compiler(number, tmp_path), "-Werror", "-fsyntax-only"]
    for header in headers:
        done = subprocess.run([*compile_alone, str(directory / header)], cwd=ROOT, text=True,
                              stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr


# ---- grade/README.md


def exercises(text: str) -> set[str]:
    """The exercises that a text names, up to the first colon: 2.4 to 2.6 are three."""
    found: set[str] = set()
    for first, last in re.findall(r"\b([1-9]\.\d+)(?: to ([1-9]\.\d+))?", text.split(":")[0]):
        numbers = range(int(first[2:]), int((last or first)[2:]) + 1)
        found |= {f"{first[0]}.{number}" for number in numbers}
    return found


def test_the_map_shows_each_module_with_the_exercises_that_it_names() -> None:
    """And these are exercises. A module's docstring begins: Exercises 2.3 and 2.7: ..."""
    known = {each for lab in check_files() for each in exercise_points(load(lab))}
    rows = re.findall(r"^\| `(lab\d/\w+\.py)` \| (.*?) \|", (GRADE / "README.md").read_text(), re.M)
    assert len(dict(rows)) == len(rows)
    modules = {str(path.relative_to(GRADE)): path for path in GRADE.glob("lab[1-9]/*.py")
               if path.stem != "__init__"}
    assert {name: exercises(text) for name, text in rows} == {
        name: exercises(ast.get_docstring(ast.parse(path.read_text())) or "")
        for name, path in modules.items()}
    for name, text in rows:
        assert exercises(text) and exercises(text) <= known, name


def test_the_map_names_every_module_of_the_way() -> None:
    """And none that is not there."""
    named = set(re.findall(r"\b[\w/]+\.py\b", (GRADE / "README.md").read_text()))
    places = GRADE, GRADE / "machine", GRADE / "film"
    way = {path.name for place in places for path in place.glob("*.py")
           if path.stem != "__init__" and path not in check_files().values()}
    assert way <= named
    assert not {name for name in named - way
                if not any((place / name).is_file() for place in (GRADE, ROOT))}


# ---- What C and assembly both know

NAKED = re.compile(r"\[(?:gs:|rel )?r\w+ \+ (?:\d+|\d+ \* \d+)\]")


def test_assembly_knows_offsets_by_name() -> None:
    """A field that moves in C moves in assembly (offsets.h): nowhere stands a number for it."""
    sources = [path for pattern in ("lab*/*.asm", "lab*/*.inc") for path in ROOT.glob(pattern)]
    assert NAKED.search("mov rbx, [rdi + 32]") and NAKED.search("push qword [rax + 6 * 8]")
    assert [f"{path.parent.name}/{path.name}: {line}" for path in sources
            for line in path.read_text().splitlines()
            if NAKED.search(line.partition(";")[0])] == []
