"""make bug: reading a bug's file, putting it in, and saying whether it was caught."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import bug
from tools.bug import BugError, bug_tree, load_bug

GOOD = """\
Title: The console writes nothing
Lab: 2
Caught-by: T2.1, T2.2
Says: nothing was written
Says: on the console

A story in
two lines.

--- a/lab1-boot/serial.c
+++ b/lab1-boot/serial.c
@@ -15,6 +15,6 @@
     /* { solution 1.1 */
     while (!ready())
         ;
-    port = c;
+    port = 0;
     /* } solution */
 }
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "silent-console.patch"
    path.write_text(GOOD)
    return path


def test_a_bug_s_file_is_read(good: Path) -> None:
    loaded = load_bug(good)
    assert (loaded.name, loaded.lab) == ("silent-console", 2)
    assert loaded.title == "The console writes nothing"
    assert loaded.caught_by == ("T2.1", "T2.2")
    assert loaded.says == ("nothing was written", "on the console")
    assert loaded.story == "A story in\ntwo lines."
    assert loaded.change.startswith("--- a/lab1-boot/serial.c\n")


@pytest.mark.parametrize(("old", "new", "complaint"), [
    ("Lab: 2\n", "", "lacks Lab"),
    ("Lab: 2\n", "Lab: two\n", "must be a number"),
    ("Says: on", "Seys: on", "knows no Seys"),
    ("Title: The console writes nothing", "Title", "needs lines"),
    ("A story in\ntwo lines.\n", "", "the story"),
])
def test_a_wrong_file_is_named(good: Path, old: str, new: str, complaint: str) -> None:
    good.write_text(GOOD.replace(old, new))
    with pytest.raises(BugError, match=complaint) as error:
        load_bug(good)
    assert "silent-console.patch" in str(error.value)


def test_the_copy_has_the_bug_and_the_reference_has_not(good: Path, fake_tree: Path,
                                                        tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for _ in range(2):
        bug_tree(load_bug(good), copy, fake_tree)
        assert "port = 0;" in (copy / "lab2-paging/serial.c").read_text()
    assert "port = c;" in (fake_tree / "lab1-boot/serial.c").read_text()
    assert (copy / "lab2-paging/serial.c").is_symlink() and (copy / "common/lab.mk").exists()
    assert not list(copy.rglob("*.orig"))


def test_a_change_that_no_longer_fits_is_named(good: Path, fake_tree: Path,
                                               tmp_path: Path) -> None:
    good.write_text(GOOD.replace("-    port = c;", "-    port = d;"))
    with pytest.raises(BugError, match="silent-console no longer fits") as error:
        bug_tree(load_bug(good), tmp_path / "copy", fake_tree)
    assert "lab1-boot/serial.c" in str(error.value)


@pytest.mark.parametrize(("grades", "status", "words"), [
    ([1, 1], 0, "Caught by T2.1 and T2.2"),
    ([1, 0], 1, "SURVIVED"),
    ([2, 1], 2, "could not be graded"),
])
def test_a_demonstration_says_how_it_ended(
        good: Path, fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str], grades: list[int], status: int, words: str) -> None:
    left, really_run, asked = list(grades), subprocess.run, []

    def run(command: list[str], **options: Any) -> Any:
        if "grade" not in command:
            return really_run(command, **options)
        asked.append(command[command.index("--lab"):])
        return subprocess.CompletedProcess(command, left.pop(0))

    copy = tmp_path / "copies" / "silent-console"
    copy_tree = bug.copy_tree
    monkeypatch.setattr(bug, "COPIES", copy.parent)
    monkeypatch.setattr(bug, "copy_tree", lambda to, _source: copy_tree(to, fake_tree))
    monkeypatch.setattr(subprocess, "run", run)
    assert bug.demonstrate(load_bug(good)) == status
    said = capsys.readouterr().out
    assert "A story in\ntwo lines." in said and words in said
    assert asked[0] == ["--lab", "2", "--test", "T2.1", "--from", str(copy)]


def test_a_wrong_name_lists_the_right_ones(good: Path, monkeypatch: pytest.MonkeyPatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bug, "BUGS", good.parent)
    monkeypatch.setattr("sys.argv", ["bug", "silent"])
    assert bug.main() == 1
    said = capsys.readouterr().out
    assert "There is no bug silent." in said
    assert "silent-console" in said and "The console writes nothing" in said


def test_a_bug_is_written_from_an_edited_copy(good: Path, fake_tree: Path, tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    bugs, copies = tmp_path / "bugs", tmp_path / "copies"
    bugs.mkdir()
    for name, value in (("ROOT", fake_tree), ("BUGS", bugs), ("COPIES", copies)):
        monkeypatch.setattr(bug, name, value)
    bug.copy_tree(copies / "mine", fake_tree)
    with pytest.raises(BugError, match="does not differ"):
        bug.write_bug("mine")
    serial = copies / "mine/lab1-boot/serial.c"
    serial.write_text(serial.read_text().replace("port = c", "port = 0"))
    bug.write_bug("mine")
    written = (bugs / "mine.patch").read_text()
    assert str(tmp_path) not in written
    filled = (written.replace("Title: ", "Title: t").replace("Lab: ", "Lab: 1")
              .replace("Caught-by: ", "Caught-by: T1.1").replace("Says: ", "Says: s"))
    (bugs / "mine.patch").write_text(filled)
    bug_tree(load_bug(bugs / "mine.patch"), tmp_path / "again", fake_tree)
    assert (tmp_path / "again/lab1-boot/serial.c").read_text() == serial.read_text()
