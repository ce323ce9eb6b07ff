"""Put a known bug into the reference and see the grader catch it: make bug BUG=name.

A bug is a file grade/bugs/NAME.patch: a header, an empty line, its story, and the change.

    Title: The page table index is shifted by 11 instead of 12
    Lab: 2
    Caught-by: T2.3
    Says: page table

    How it comes about, and why it is hard to see ...

    --- a/lab2-paging/paging.c
    +++ b/lab2-paging/paging.c
    ...

Caught-by names the checks that must fail; Says (may stand several times) what their report must
contain. To write a new one: `tools/python -m tools.bug --copy NAME` copies the tree to
build/bugs/NAME, and after editing there `tools/python -m tools.bug --write NAME` makes the file.
After a change of the kernel `--rebase COMMIT` carries all of them over (tools/rebase.py).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grade.tree import ROOT, labs
from tools import command
from tools.command import Refusal

BUGS = ROOT / "grade/bugs"
COPIES = ROOT / "build/bugs"
CHANGE = re.compile(r"^(?=(?:diff |--- ))", re.MULTILINE)
REQUIRED = ("Title", "Lab", "Caught-by", "Says")


class BugError(Refusal):
    """A bug's file is not right, or no longer fits the reference."""


@dataclass(frozen=True)
class Bug:
    """A known bug: the change, its story, and how it must be caught."""

    name: str
    title: str
    lab: int
    caught_by: tuple[str, ...]
    says: tuple[str, ...]
    story: str
    change: str

    @property
    def files(self) -> list[str]:
        """What the change changes, by path from the project's root."""
        return re.findall(r"^\+\+\+ b/(\S+)", self.change, re.MULTILINE)


def load_bug(path: Path) -> Bug:
    """Read a bug's file. Raises BugError that names what is wrong with it."""
    text = path.read_text()
    header, _, rest = text.partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in header.splitlines():
        key, colon, value = line.partition(":")
        if not colon or not value.strip():
            raise BugError(f"{path}: the header needs lines `Key: value`, and has: {line}")
        fields.setdefault(key, []).append(value.strip())
    lacking = [key for key in REQUIRED if key not in fields]
    if lacking:
        raise BugError(f"{path}: the header lacks {', '.join(lacking)}")
    unknown = sorted(set(fields) - set(REQUIRED))
    if unknown:
        raise BugError(f"{path}: the header knows no {', '.join(unknown)}")
    if not fields["Lab"][0].isdigit():
        raise BugError(f"{path}: Lab: must be a number, and is {fields['Lab'][0]}")
    story, *change = CHANGE.split(rest, maxsplit=1)
    if not story.strip() or not change:
        raise BugError(f"{path}: after the header comes the story, then the change in diff -u's "
                       "form")
    checks = tuple(re.split(r"[,\s]+", " ".join(fields["Caught-by"])))
    return Bug(path.stem, fields["Title"][0], int(fields["Lab"][0]), checks,
               tuple(fields["Says"]), story.strip(), change[0])


def all_bugs() -> list[Bug]:
    """Every bug of the zoo, by lab and name."""
    return sorted(map(load_bug, BUGS.glob("*.patch")), key=lambda bug: (bug.lab, bug.name))


def copy_tree(destination: Path, source: Path = ROOT) -> None:
    """The part of the reference that is graded: common/ and the labs, symlinks kept."""
    if destination.exists():
        shutil.rmtree(destination)
    for directory in (source / "common", *labs(source).values()):
        shutil.copytree(directory, destination / directory.name, symlinks=True,
                        ignore=shutil.ignore_patterns("build", "__pycache__"))


def bug_tree(bug: Bug, destination: Path, source: Path = ROOT) -> None:
    """Make a copy of the reference with the bug in it."""
    copy_tree(destination, source)
    try:
        put_in(bug.change, destination)
    except BugError as error:
        raise BugError(f"The change of bug {bug.name} no longer fits the reference. {error}") \
            from None


def put_in(change: str, copy: Path) -> None:
    """Make a change to a copy of the tree: exactly, though perhaps some lines farther down."""
    done = subprocess.run(
        ["patch", "-p1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch",
         "--reject-file=-"],
        cwd=copy, input=change, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise BugError(f"patch says:\n{done.stdout.rstrip()}")


def difference(before: Path, after: Path, names: Iterable[str]) -> str:
    """The change from one tree to another, in the form of a bug's file: of files, or of whole
    directories."""
    change = ""
    for name in sorted(set(names)):
        change += subprocess.run(
            ["diff", "-ruN", "--no-dereference", before / name, after / name],
            text=True, stdout=subprocess.PIPE).stdout
    change = change.replace(f"{after}/", "b/").replace(f"{before}/", "a/")
    return re.sub(r"^diff .*\n|(?<=\S)\t\d{4}-.*$", "", change, flags=re.MULTILINE)


def listing(bugs: list[Bug]) -> str:
    """The table of bugs, by lab."""
    lines = []
    for number, directory in labs(ROOT).items():
        here = [bug for bug in bugs if bug.lab == number]
        if here:
            lines += ["", f"Lab {number} ({directory.name})"]
            lines += [f"  {bug.name:28} {' '.join(bug.caught_by):12} {bug.title}" for bug in here]
    return "\n".join([*lines, "", "To see one: make bug BUG=name"]).lstrip("\n")


def demonstrate(bug: Bug) -> int:
    """Tell the story, put the bug in, grade, say whether it was caught. 0: it was."""
    copy = COPIES / bug.name
    print(f"{bug.title}\n{'=' * len(bug.title)}\n\n{bug.story}\n\n{bug.change}", flush=True)
    bug_tree(bug, copy)
    caught = True
    for check in bug.caught_by:
        print(f"--- lab {bug.lab} with this bug in it, graded by {check}:\n", flush=True)
        status = subprocess.run([sys.executable, "-m", "grade", "--lab", str(bug.lab),
                                 "--test", check, "--from", str(copy)], cwd=ROOT).returncode
        if status not in (0, 1):
            print(f"\n{check} could not be graded (status {status}).")
            return 2
        caught = caught and status == 1
    if caught:
        print(f"\nCaught by {' and '.join(bug.caught_by)}. The changed tree: {copy}")
        return 0
    print("\nThe bug SURVIVED: that is a fault of the grader's.")
    return 1


def write_bug(name: str) -> int:
    """Make a bug's file from the edited copy; its header is for a person to fill in."""
    copy = COPIES / name
    change = difference(ROOT, copy, (path.name for path in copy.iterdir()))
    if not change:
        raise BugError(f"build/bugs/{name} does not differ from the reference")
    target = BUGS / f"{name}.patch"
    with target.open("x") as file:
        file.write("Title: \nLab: \nCaught-by: \nSays: \n\nThe story.\n\n" + change)
    print(f"{target}: fill in the header and tell the story.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bug", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="a bug; without it, the list of all")
    parser.add_argument("--copy", action="store_true", help="copy the tree to build/bugs/NAME")
    parser.add_argument("--write", action="store_true", help="make NAME's file from that copy")
    parser.add_argument("--rebase", metavar="OLD_COMMIT",
                        help="carry all bugs over from the kernel as it was there")
    arguments = parser.parse_args()
    if arguments.rebase:
        from tools.rebase import rebase
        return rebase(arguments.rebase)
    if arguments.name and arguments.copy:
        copy_tree(COPIES / arguments.name)
        print(f"{COPIES / arguments.name}: edit it, then: --write {arguments.name}")
        return 0
    if arguments.name and arguments.write:
        return write_bug(arguments.name)
    bugs = all_bugs()
    chosen = [bug for bug in bugs if bug.name == arguments.name]
    if chosen:
        return demonstrate(chosen[0])
    if arguments.name:
        print(f"There is no bug {arguments.name}.\n")
    print(listing(bugs))
    return 1 if arguments.name else 0


if __name__ == "__main__":
    command.run("make bug", main)
