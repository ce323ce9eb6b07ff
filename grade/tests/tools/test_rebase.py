"""make bug --rebase: the zoo follows the kernel through a history as real ones are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.bug import Bug, load_bug
from tools.rebase import Carried, Trees, carry, rewrite

OLD = """\
int first(int x)
{
    /* what comes first */
    x = x + 1;
    x = x * 2;
    return x;
}

/* The second one stays whole wherever it goes. */
int second(int y)
{
    int z = y;
    while (z > 9)
        z = z / 10;
    return z;
}

/* And a third. */
int third(void)
{
    return 3;
}
"""
HEADER = "Title: A bug\nLab: 1\nCaught-by: T1.1\nSays: words\n\nIts story.\n\n"


class History:
    """A repository whose lab changes, and a bug of the first commit."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "tree"
        self.write("lab1-boot/a.c", OLD)
        self.write("common/b.c", "int nothing;\n")
        self.git("init", "-q")
        self.git("add", ".")
        self.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "old")

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.root, check=True)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def bug(self, right: str, wrong: str, text: str = OLD) -> Bug:
        """The file of a bug that has these lines wrong."""
        before, after = self.directory / "a.c", self.directory / "b.c"
        before.write_text(text)
        after.write_text(text.replace(right, wrong))
        change = subprocess.run(
            ["diff", "-u", "--label", "a/lab1-boot/a.c", "--label", "b/lab1-boot/a.c",
             before, after], stdout=subprocess.PIPE, text=True).stdout
        self.file = self.directory / "bug.patch"
        self.file.write_text(HEADER + change)
        return load_bug(self.file)

    def carried(self, right: str, wrong: str) -> Carried:
        return carry(self.bug(right, wrong), Trees("HEAD", self.root, self.directory / "work"))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_a_line_beside_the_bug(history: History) -> None:
    history.write("lab1-boot/a.c", OLD.replace("comes first", "comes before all else"))
    found = history.carried("x * 2", "x * 3")
    assert "+    x = x * 3;" in found.change and "before all else" in found.change
    rewrite(history.file, found.change)
    assert history.file.read_text() == HEADER + found.change


def test_a_renamed_file_and_one_that_became_a_link(history: History) -> None:
    (history.root / "lab1-boot/a.c").rename(history.root / "lab1-boot/sums.c")
    assert "+++ b/lab1-boot/sums.c" in history.carried("x * 2", "x * 3").change
    history.write("lab2-paging/sums.c", OLD)
    (history.root / "lab1-boot/sums.c").unlink()
    (history.root / "lab1-boot/a.c").symlink_to("../lab2-paging/sums.c")
    assert "+++ b/lab2-paging/sums.c" in history.carried("x * 2", "x * 3").change


def test_a_function_that_moved(history: History) -> None:
    """Down in its file, to another one; and where it now is twice, nobody can tell."""
    first, second, third = OLD.split("\n\n")
    history.write("lab1-boot/a.c", "\n\n".join((first, "int more;\n" * 9, third, second)) + "\n")
    assert "+    while (z > 8)" in history.carried("z > 9", "z > 8").change
    history.write("lab1-boot/a.c", first + "\n\n" + third)
    history.write("lab1-boot/c.c", second + "\n\n" + third)
    found = history.carried("z > 9", "z > 8")
    assert "+++ b/lab1-boot/c.c" in found.change and "+    while (z > 8)" in found.change
    history.write("lab1-boot/d.c", second + "\n\n" + third)
    found = history.carried("z > 9", "z > 8")
    assert not found.change and "while (z > 9)" in found.words


def test_a_line_in_the_bug_is_for_a_person(history: History) -> None:
    history.write("lab1-boot/a.c", OLD.replace("x * 2", "x << 1"))
    found = history.carried("x * 2", "x * 3")
    assert not found.change and not found.impossible
    for line in ("    x = x << 1;", "    x = x * 2;", "    x = x * 3;"):
        assert line in found.words.splitlines()


def test_a_bug_that_is_impossible_is_named(history: History) -> None:
    """The tree has it, or there is nothing left in which it could be."""
    history.write("lab1-boot/a.c", OLD.replace("x * 2", "x * 3"))
    assert history.carried("x * 2", "x * 3").impossible


def test_one_that_was_carried_over_by_hand(history: History) -> None:
    new = OLD.replace("x * 2", "x << 1")
    history.write("lab1-boot/a.c", new)
    found = carry(history.bug("x << 1", "x << 2", new),
                  Trees("HEAD", history.root, history.directory / "work"))
    assert "+    x = x << 2;" in found.change


def test_what_fits_in_part_leaves_nothing_to_the_next(history: History) -> None:
    """Of a bug that was carried over by hand, some lines may fit the old commit."""
    trees = Trees("HEAD", history.root, history.directory / "work")
    half = history.bug("9", "8", OLD.replace("x * 2", "x << 9"))
    assert not carry(half, trees).change
    assert "z > 8" not in carry(history.bug("return 3", "return 4"), trees).change
