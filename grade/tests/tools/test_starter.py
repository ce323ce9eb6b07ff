"""The students' tree: what is cut, what stays, what is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from grade.errors import BadSubmission
from grade.tests.tools.conftest import ROOT, Run
from grade.tree import labs
from tools import starter
from tools.command import Refusal
from tools.starter import StarterError, cut, make_tree

NONE, ALL = (lambda exercise: False), (lambda exercise: True)
MESSAGE = re.compile(r"exercise (\d\.\d+) is not written yet\s+\((\S+):(\d+)\)")
CHAPTERS = [ROOT / "README.md", *(lab / "README.md" for lab in labs(ROOT).values())]


def test_c_solution_becomes_not_written_with_the_marker_s_indentation() -> None:
    text = "int f(void)\n{\n    /* { solution 2.3 */\n    return 1;\n    /* } solution */\n}\n"
    assert cut(text, "c", NONE) == 'int f(void)\n{\n    NOT_WRITTEN("2.3");\n}\n'


def test_nasm_solution_becomes_not_written() -> None:
    text = "f:\n\t; { solution 1.10\n\tret\n\t; } solution\ng:\n"
    assert cut(text, "nasm", NONE) == 'f:\n\tNOT_WRITTEN "1.10"\ng:\n'


def test_a_solution_outside_functions_leaves_nothing_behind() -> None:
    text = "int a;\n\n/* { solution 2.3 */\nint b;\n/* } solution */\n\nint c;\n"
    assert cut(text, "c", NONE) == "int a;\n\nint c;\n"


def test_what_is_kept_loses_its_markers_only() -> None:
    text = "{\n    /* { solution 2.3 */\n    a();\n    /* } solution */\n    b();\n}\n"
    assert cut(text, "c", ALL) == "{\n    a();\n    b();\n}\n"


def test_each_exercise_is_kept_or_cut_by_itself() -> None:
    text = "".join(f"    /* {{ solution {name} */\n    f{name[-1]}();\n    /* }} solution */\n"
                   for name in ("1.1", "1.2", "1.1"))
    assert cut(text, "c", lambda exercise: exercise == "1.2") == (
        '    NOT_WRITTEN("1.1");\n    f2();\n    NOT_WRITTEN("1.1");\n')


@pytest.mark.parametrize(("text", "line", "complaint"), [
    ("a\n/* { solution 1.1 */\nb\n", 2, "never ends"),
    ("a\n/* } solution */\n", 2, "none has begun"),
    ("/* { solution 1.1 */\n/* { solution 1.2 */\n/* } solution */\n", 2, "inside solution 1.1"),
    ("x; /* { solution 1.1 */\n", 1, "is none"),
    ("/* {solution 1.1 */\n", 1, "is none"),
])
def test_wrong_markers_are_named_with_file_and_line(text: str, line: int, complaint: str) -> None:
    with pytest.raises(StarterError, match=complaint) as error:
        cut(text, "c", NONE, "lab1-boot/x.c")
    assert str(error.value).startswith(f"lab1-boot/x.c:{line}: ")


def test_tree_of_lab_2(fake_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_tree(fake_tree, out, 2)
    serial = (out / "lab1-boot/serial.c").read_text()
    assert 'NOT_WRITTEN("1.1");' in serial and "ready" not in serial
    assert 'NOT_WRITTEN "1.2"' in (out / "lab1-boot/boot.asm").read_text()
    assert '\tNOT_WRITTEN("2.1");\n' in (out / "lab2-paging/paging.c").read_text()
    assert (out / "lab2-paging/serial.c").is_symlink()
    assert (out / "lab2-paging/serial.c").read_text() == serial
    for absent in ("grade/tests", "grade/bugs", "build", "tools/starter.py"):
        assert not (out / absent).exists(), absent


def test_tree_of_lab_1_has_nothing_of_lab_2(fake_tree: Path, tmp_path: Path) -> None:
    make_tree(fake_tree, tmp_path / "out", 1)
    names = [path.as_posix() for path in (tmp_path / "out").rglob("*")]
    assert any("test_lab1_boot" in name for name in names)
    assert not [name for name in names if "lab2" in name]


def test_everything_kept_is_the_reference_without_markers(fake_tree: Path, tmp_path: Path) -> None:
    make_tree(fake_tree, tmp_path / "out", 2, ALL)
    serial = (tmp_path / "out/lab1-boot/serial.c").read_text()
    assert "ready" in serial and "solution" not in serial and "NOT_WRITTEN" not in serial


@pytest.mark.parametrize(("name", "text", "complaint"), [
    ("x.c", "/* Exercise 1.7 (1 points). */\n", "lab1-boot/x.c:1: exercise 1.7 has no solution"),
    ("x.c", "    /* { solution 1.7 */\n    /* } solution */\n",
     "lab1-boot/x.c:1: solution 1.7 has no exercise"),
    ("x.c", "/* Exercise 1.7 (1 points). */\n/* { solution 1.7 */\n/* } solution */\n",
     "lab1-boot/x.c:2: solution 1.7 has no part inside a function"),
])
def test_exercises_and_solutions_belong_together(fake_tree: Path, tmp_path: Path, name: str,
                                                 text: str, complaint: str) -> None:
    (fake_tree / "lab1-boot" / name).write_text(text)
    with pytest.raises(StarterError) as error:
        make_tree(fake_tree, tmp_path / "out", 1)
    assert str(error.value).startswith(complaint)
    assert not (tmp_path / "out").exists(), "an error leaves nothing behind"


def make_starter(monkeypatch: pytest.MonkeyPatch, tree: Path, *arguments: str) -> int:
    monkeypatch.setattr(starter, "ROOT", tree)
    monkeypatch.setattr("sys.argv", ["starter", *arguments])
    return starter.main()


def test_fresh_solves_the_earlier_labs(fake_tree: Path, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert make_starter(monkeypatch, fake_tree, "--lab", "2", "--out", str(out), "--fresh") == 0
    assert "ready" in (out / "lab1-boot/serial.c").read_text()
    assert "NOT_WRITTEN" in (out / "lab2-paging/paging.c").read_text()


def test_an_untouched_starter_is_made_anew(fake_tree: Path, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert make_starter(monkeypatch, fake_tree, "--lab", "2", "--out", str(out)) == 0
    (out / "build").mkdir()
    (out / "build/kernel.elf").write_text("built")
    assert make_starter(monkeypatch, fake_tree, "--lab", "1", "--out", str(out)) == 0
    assert not (out / "lab2-paging").exists()


@pytest.mark.parametrize("name", ["lab1-boot/serial.c", "lab1-boot/mine.c", "notes/todo"])
def test_a_student_s_work_is_never_lost(fake_tree: Path, tmp_path: Path, name: str,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert make_starter(monkeypatch, fake_tree, "--lab", "2", "--out", str(out)) == 0
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("my work")
    with pytest.raises(Refusal, match=name):
        make_starter(monkeypatch, fake_tree, "--lab", "2", "--out", str(out))
    assert (out / name).read_text() == "my work"


def test_a_directory_that_is_somebody_else_s_is_refused(
        fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "home"
    (out / "letters").mkdir(parents=True)
    for place in (out, fake_tree, out / "../home", Path("/")):
        before = sorted(place.iterdir())
        with pytest.raises(Refusal, match="nobody's work"):
            make_starter(monkeypatch, fake_tree, "--lab", "1", "--out", str(place))
        assert sorted(place.iterdir()) == before


def test_symlinks_that_became_text_are_not_handed_out(fake_tree: Path, tmp_path: Path) -> None:
    """As a ZIP without symlinks, or git for Windows, leaves them."""
    for path in (fake_tree / "lab2-paging").iterdir():
        if path.is_symlink():
            target = os.readlink(path)
            path.unlink()
            path.write_text(target)
    with pytest.raises(BadSubmission, match=r"lab2-paging/boot.asm is text here .*\(one of 2\)"):
        make_tree(fake_tree, tmp_path / "out", 2)
    assert not (tmp_path / "out").exists()


def test_a_starter_inside_the_tree_is_no_part_of_it(fake_tree: Path) -> None:
    out = fake_tree / "handout"
    make_tree(fake_tree, out, 1)
    make_tree(fake_tree, out, 1)
    assert not (out / "handout").exists()


def test_git_decides_what_belongs_to_the_tree(fake_tree: Path, tmp_path: Path, run: Run) -> None:
    (fake_tree / ".gitignore").write_text("*.swp\n")
    (fake_tree / "lab1-boot/x.swp").write_text("")
    assert run("git", "init", "-q", cwd=fake_tree).returncode == 0
    make_tree(fake_tree, tmp_path / "out", 1)
    assert (tmp_path / "out/lab1-boot/serial.c").exists()
    assert not (tmp_path / "out/lab1-boot/x.swp").exists()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.parent.name)
def test_chapters_quote_what_a_starter_says(chapter: Path) -> None:
    """File and line of a message are those of its NOT_WRITTEN in the students' tree."""
    messages = MESSAGE.findall(chapter.read_text())
    assert messages, "each chapter tells what its starter says first"
    for exercise, name, number in messages:
        text = cut(*starter.read(ROOT, Path(name)), NONE, name)
        line = text.splitlines()[int(number) - 1]
        found = [at for at, each in enumerate(text.splitlines(), 1) if f'"{exercise}"' in each]
        assert re.search(rf'NOT_WRITTEN\b.*"{exercise}"', line), \
            f"exercise {exercise} is not in {name}:{number}, but in the lines {found}: {line}"
