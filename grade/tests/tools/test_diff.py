"""make diff: what is new, what changed, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import diff
from tools.command import Refusal


def make_diff(monkeypatch: pytest.MonkeyPatch, tree: Path, *arguments: str) -> int:
    monkeypatch.setattr(diff, "ROOT", tree)
    monkeypatch.setattr("sys.argv", ["diff", *arguments])
    return diff.main()


def test_what_lab_2_adds(fake_tree: Path, monkeypatch: pytest.MonkeyPatch,
                         capsys: pytest.CaptureFixture[str]) -> None:
    assert make_diff(monkeypatch, fake_tree, "--lab", "2") == 0
    assert capsys.readouterr().out == """\
New in lab2-paging:
       7  paging.c
       7  lines in 1 file

--- lab1-boot/main.c
+++ lab2-paging/main.c
@@ -1,2 +1,2 @@
 int a;
-int b;
+int c;

2 changed lines (+1 -1) in 1 of the files that both have: main.c
"""


def test_a_file_that_a_lab_drops_is_listed(fake_tree: Path, monkeypatch: pytest.MonkeyPatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    (fake_tree / "lab2-paging/boot.asm").unlink()
    assert make_diff(monkeypatch, fake_tree, "--lab", "2") == 0
    said = capsys.readouterr().out
    assert "No longer in lab2-paging:" in said and "boot.asm" in said


@pytest.mark.parametrize(("after", "rewritten"), [
    ("int a;\nint b;\nint d;\n", False),
    ("int x;\nint y;\nint c;\n", True),
])
def test_what_is_hardly_the_same_file_is_not_compared(
        after: str, rewritten: bool, fake_tree: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    (fake_tree / "lab1-boot/main.c").write_text("int a;\nint b;\nint c;\n")
    (fake_tree / "lab2-paging/main.c").write_text(after)
    assert make_diff(monkeypatch, fake_tree, "--lab", "2") == 0
    said = capsys.readouterr().out
    assert ("Rewritten in lab2-paging:\n       3  main.c\n" in said) == rewritten
    assert ("+int d;" in said) != rewritten
    assert (f"{0 if rewritten else 2} changed lines" in said)


def test_lab_1_consists_of_its_files(fake_tree: Path, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    assert make_diff(monkeypatch, fake_tree, "--lab", "1") == 0
    said = capsys.readouterr().out
    assert "boot.asm" in said and "lines in 4 files" in said


@pytest.mark.parametrize("name", ["", "lab2-paging"])
def test_a_submission_is_a_tree_or_a_lab(name: str, fake_tree: Path, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "submission"
    shutil.copytree(fake_tree, theirs, symlinks=True)
    serial = theirs / "lab1-boot/serial.c"
    serial.write_text(serial.read_text().replace("port = c", "port = 0"))
    (theirs / "common/lab.mk").write_text("# my rules\n")
    assert make_diff(monkeypatch, fake_tree, "--lab", "2", "--against", str(theirs / name)) == 0
    said = capsys.readouterr().out
    assert "--- reference/lab2-paging/serial.c\n+++ submission/lab2-paging/serial.c\n" in said
    assert "+    port = 0;\n" in said
    assert "main.c" not in said
    assert ("+# my rules" in said) == (name == "")


def test_a_submission_steers_no_terminal(fake_tree: Path, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "sub\x1b[2Jmission"
    shutil.copytree(fake_tree, theirs, symlinks=True)
    (theirs / "lab1-boot/serial.c").write_bytes(b"\x1b]0;mine\x07 \xff \xc2\x9b31m\n")
    (theirs / "lab1-boot/new\x1b[31m.c").write_text("")
    assert make_diff(monkeypatch, fake_tree, "--lab", "1", "--against", str(theirs)) == 0
    said = capsys.readouterr().out
    assert "mine" in said and "new" in said and said.replace("\n", "").isprintable()


def test_a_wrong_path_is_named(fake_tree: Path, monkeypatch: pytest.MonkeyPatch,
                               ) -> None:
    with pytest.raises(Refusal, match="^/no/such is no directory$"):
        make_diff(monkeypatch, fake_tree, "--lab", "2", "--against", "/no/such")


@pytest.mark.parametrize("coloured", [True, False])
def test_colour_is_for_terminals(coloured: bool, capsys: pytest.CaptureFixture[str]) -> None:
    diff.Printer(coloured).changes(diff.Difference(changed={"x": ["+new"]}))
    assert ("\033[" in capsys.readouterr().out) == coloured
