"""A tree of labs: which directories are its labs, and what became of their symlinks.

Here Python looks, the grader and the tools alike. make looks for itself (Makefile, common/tree.mk):
it does before any Python can be run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from grade.errors import BadSubmission, CannotGrade, printable

ROOT = Path(__file__).resolve().parent.parent  # of this project

LAB = re.compile(r"lab([1-9])-[A-Za-z0-9_.-]+")
LINK = re.compile(r"\.\./(lab([1-9])-[A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)")
LONGEST_LINK = 200  # bytes


def labs(tree: Path) -> dict[int, Path]:
    """The labs that a tree holds, by number. BadSubmission if it has two directories of one."""
    names = sorted(path.name for path in tree.glob("lab[1-9]-*"))
    found = {number: lab_names(tree, names, number) for number in range(1, 10)}
    for number, directories in found.items():
        if len(directories) > 1:
            raise BadSubmission([too_many(tree, number, directories)])
    return {number: tree / names[0] for number, names in found.items() if names}


def lab_directory(tree: Path, number: int) -> Path:
    """Where a lab of the tree is. CannotGrade if it has none of this number."""
    found = labs(tree)
    if number not in found:
        raise CannotGrade(f"{tree} has no lab {number}; it has "
                          + (", ".join(path.name for path in found.values()) or "none"))
    return found[number]


def lab_names(tree: Path, names: Iterable[str], number: int) -> list[str]:
    """Which of the names in a tree are directories of a lab: one at most, if all is well."""
    return [name for name in names if name.startswith(f"lab{number}-") and (tree / name).is_dir()]


def too_many(tree: Path, number: int, names: Iterable[str]) -> str:
    """The words for more than one."""
    listed = " and ".join(map(printable, names))
    return (f"{printable(str(tree))} has more than one lab {number}: {listed}. Move one of them "
            f"out of it, or give it a name that does not begin with lab{number}-")


def was_link(name: str, text: bytes) -> bool:
    """Whether the whole text of a file is where a link of its name would lead: that is what a ZIP,
    or git on Windows, makes of one."""
    if len(text) > LONGEST_LINK:
        return False
    found = LINK.fullmatch(text.decode("latin-1").strip())
    return found is not None and found[3] == name


def refuse_lost_links(tree: Path) -> None:
    """BadSubmission if symlinks of the labs have become text."""
    lost = [path for path in sorted(tree.glob("lab[1-9]-*/*"))
            if path.is_file() and not path.is_symlink()
            and path.stat().st_size <= LONGEST_LINK and was_link(path.name, path.read_bytes())]
    if lost:
        raise BadSubmission([f"{lost[0]} is text here and a symlink in a good tree (one of "
                             f"{len(lost)}); get the tree with git clone, or unpack it with "
                             "something that keeps symlinks, as unzip and tar do"])
