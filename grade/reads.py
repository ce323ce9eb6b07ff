"""What a build has read, and that it was the submission's own: no solution of the reference, no
fellow's work, no file of the machine comes into a kernel or into a report.

A tree that was taken in (intake.py) lies alone, but a source can name any file by its absolute
path. The compilers list what they read (`READS=1` in lab.mk); of a file that does not compile they
say where its error is."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from grade.errors import BadSubmission, printable

LISTS = ("*.d", "*.read")
PLACE = re.compile(r"^(?:In file included from |\s+from )?(/[^:]+):\d+", re.M)
LARGEST_LIST = 4 << 20
# What gcc and clang hand their assembler, and lab.mk hands nasm.
TEMPORARY = re.compile(rf"{re.escape(tempfile.gettempdir())}/(cc\w+|\w[\w.-]*-[0-9a-f]+)\.s"
                       r"|/proc/self/fd/3")


def refuse_foreign_reads(build_dir: Path, tree: Path, allowed: Sequence[Path]) -> None:
    """Refuse a build for which a file outside the allowed places was read."""
    found = [(place, source(path, build_dir)) for pattern in LISTS
             for path in sorted((build_dir / "obj").rglob(pattern))
             for place in prerequisites(path) if is_foreign(place, tree, allowed)]
    if found:
        raise BadSubmission(sorted({f"{where} reads {printable(place)}, which is no part of the "
                                    "submission" for place, where in found}))


def refuse_foreign_lines(output: str, tree: Path, allowed: Sequence[Path]) -> None:
    """Refuse a build whose error lies in such a file: the error would quote it."""
    for place in PLACE.findall(output):
        if is_foreign(place, tree, allowed):
            raise BadSubmission([f"a source reads {printable(place)}, which is no part of the "
                                 "submission"])


def source(path: Path, build_dir: Path) -> str:
    """The source whose list of what was read this is: obj/lab1-boot/gdt.c.d is of gdt.c's."""
    name = path.relative_to(build_dir / "obj").as_posix()
    return re.sub(r"(\.o)?(\.more)?\.(d|read)$", "", name)


def prerequisites(path: Path) -> Iterator[str]:
    """The files that a list in make's form names: `target: a b \\` and so on. What is quoted in
    any odd way matches no file of ours, and so is refused."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        text = os.fsdecode(file.read(LARGEST_LIST))
    for line in text.replace("\\\n", " ").splitlines():
        _, colon, rest = line.partition(": ")
        yield from rest.split() if colon else ()


def is_foreign(place: str, tree: Path, allowed: Sequence[Path]) -> bool:
    """Whether a file lies outside: links are followed, and `..` led on."""
    if TEMPORARY.fullmatch(place):
        return False
    real = os.path.realpath(os.path.join(tree, place))
    return not any(real.startswith(f"{os.path.realpath(each)}/") for each in allowed)
