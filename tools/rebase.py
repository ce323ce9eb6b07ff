"""Carry the zoo over from an older commit: tools/python -m tools.bug --rebase OLD_COMMIT.

A bug's file is a change to the kernel as it was when the file was written. Here every change is
applied to the tree of that commit, and what it makes of a file there is merged into the file as it
is now (git merge-file), wherever that lies (git's list of renames, and symlinks). What git cannot
merge may still fit as it stands: a function that moved, in its file or to another (patch). Then
the bug's file is written anew, its header and story unchanged.

Three ends: carried; the bug is impossible (the merged file is the file as it is: the lines that
were wrong are not there to be wrong, or the kernel has the bug now); or a person is needed, who is
shown both sides. Such a bug's file stays as it is. Whether a carried bug is still caught, the test
of the zoo says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tools import tree
from tools.bug import BUGS, CHANGE, ROOT, Bug, BugError, copy_tree, difference, load_bug, put_in

WORK = ROOT / "build" / "rebase"
LABELS = ("as it is now", "as it was", "with the bug")


@dataclass(frozen=True)
class Carried:
    """What became of a bug: its change to today's tree, or "" and why not."""

    bug: Bug
    change: str = ""
    impossible: bool = False
    words: str = ""  # for a person: both sides


class Trees:
    """The kernel as it was at a commit and as it is now, and a copy of each to put bugs into."""

    def __init__(self, commit: str, root: Path = ROOT, work: Path = WORK) -> None:
        self.root, self.work = root, work
        shutil.rmtree(work, ignore_errors=True)
        self.old, self.bugged, self.new = work / "old", work / "bugged", work / "new"
        names = git(root, "ls-tree", "--name-only", commit).decode().split()
        kept = [name for name in names if name == "common" or tree.lab_of(Path(name, "x"))]
        with tarfile.open(fileobj=BytesIO(git(root, "archive", commit, *kept))) as archive:
            archive.extractall(self.old)
        copy_tree(self.bugged, self.old)
        copy_tree(self.new, root)
        self.renamed = dict(renames(self.old, self.new))

    def today(self, name: str) -> Path | None:
        """Where a file of the old tree is now, from the root: what a symlink leads to."""
        path = self.new / self.renamed.get(name, name)
        return path.resolve().relative_to(self.new.resolve()) if path.is_file() else None

    def restore(self, copy: Path, origin: Path, names: list[str]) -> None:
        """Take a bug out of a copy again."""
        for name in names:
            (copy / name).unlink(missing_ok=True)
            if (origin / name).exists():
                shutil.copyfile(origin / name, copy / name)


def git(root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True)
    if done.returncode != 0:
        raise BugError("git " + arguments[0] + ": " + done.stderr.decode().strip())
    return done.stdout


def renames(old: Path, new: Path) -> Iterator[tuple[str, str]]:
    """Where git thinks that files have gone."""
    said = subprocess.run(
        ["git", "diff", "--no-index", "--find-renames=40%", "--diff-filter=R", "--name-status",
         "-z", old, new], capture_output=True).stdout.decode().split("\0")
    for _, before, after in zip(said[::3], said[1::3], said[2::3]):
        yield os.path.relpath(before, old), os.path.relpath(after, new)


def carry(bug: Bug, trees: Trees) -> Carried:
    """Find out what a bug is today."""
    touched: list[str] = []
    try:
        put_in(bug.change, trees.bugged)
        problems = [merge(name, trees, touched) for name in bug.files]
        change = difference(trees.root, trees.new, touched)
        if any(problems):
            change = moved(bug, trees)
            return Carried(bug, change, words="" if change else "\n".join(filter(None, problems)))
        return Carried(bug, change, impossible=not change)
    except BugError as error:
        change = moved(bug, trees)  # it may have been carried over by hand
        return Carried(bug, change, words=f"It did not fit the old commit either: {error}")
    finally:  # also what fitted only in part
        trees.restore(trees.bugged, trees.old, bug.files)
        trees.restore(trees.new, trees.root, touched)


def merge(name: str, trees: Trees, touched: list[str]) -> str:
    """Merge a file with the bug into today's; words if git cannot."""
    today = trees.today(name)
    if today is None:
        return f"{name} is no longer there.\n"
    touched.append(today.as_posix())
    mine, base, theirs = trees.new / today, trees.old / name, trees.bugged / name
    options = [word for label in LABELS for word in ("-L", f"{today} {label}")]
    done = subprocess.run(["git", "merge-file", "-p", "--diff3", *options, mine, base, theirs],
                          capture_output=True)
    if done.returncode == 0:
        mine.write_bytes(done.stdout)
        return ""
    return "\n".join(conflicts(done.stdout.decode(errors="replace"))) or done.stderr.decode()


def conflicts(text: str) -> Iterator[str]:
    """The parts of a merged file that show both sides."""
    inside = False
    for line in text.splitlines():
        inside = inside or line.startswith("<<<<<<< ")
        if inside:
            yield line
        inside = inside and not line.startswith(">>>>>>> ")


def moved(bug: Bug, trees: Trees) -> str:
    """The change where its lines have moved, whole, in their file or to one other; "" if there is
    no such place, or more than one."""
    change = ""
    for part in CHANGE.split(bug.change):
        found = [one for one in places(part, trees) if one] if part else []
        if part and len(found) != 1:
            return ""
        change += found[0] if part else ""
    return change


def places(part: str, trees: Trees) -> Iterator[str]:
    """The change of one file, at each file of today that it fits."""
    hunks = part[part.index("@@"):]
    for path in sorted(trees.new.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix in tree.SOURCES:
            name = path.relative_to(trees.new).as_posix()
            try:
                put_in(f"--- a/{name}\n+++ b/{name}\n{hunks}", trees.new)
            except BugError:
                continue
            else:
                yield difference(trees.root, trees.new, [name])
            finally:
                trees.restore(trees.new, trees.root, [name])


def rewrite(path: Path, change: str) -> None:
    """A bug's file with another change; header and story stay."""
    text = path.read_text()
    header, _, rest = text.partition("\n\n")
    story, *_ = CHANGE.split(rest, maxsplit=1)
    path.write_text(f"{header}\n\n{story}{change}")


def rebase(commit: str) -> int:
    """Carry all bugs over. 0: no person is needed."""
    trees = Trees(commit)
    ends = [carry(load_bug(path), trees) for path in sorted(BUGS.glob("*.patch"))]
    for each in ends:
        if each.change and each.change != each.bug.change:
            rewrite(BUGS / f"{each.bug.name}.patch", each.change)
    rewritten = sum(bool(each.change) and each.change != each.bug.change for each in ends)
    impossible = [each for each in ends if each.impossible]
    waiting = [each for each in ends if not each.change and not each.impossible]
    for each in waiting:
        print(f"---- {each.bug.name}: {each.bug.title}\n{each.words}")
    for each in impossible:
        print(f"---- {each.bug.name}: impossible now: {each.bug.title}")
    print(f"{len(ends)} bugs: {rewritten} rewritten, "
          f"{len(ends) - rewritten - len(impossible) - len(waiting)} as they were, "
          f"{len(impossible)} impossible, {len(waiting)} for a person")
    return 1 if waiting or impossible else 0
