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

PLACE = re.compile(r"^(?:In file included from |\s+from )?(/[^:]+):\d+", re.M)
LARGEST = 32 << 20  # bytes of all lists of a lab; there are 0.1 MiB
# What gcc and clang hand their assembler, and lab.mk hands nasm.
TEMPORARY = re.compile(rf"(/tmp|{re.escape(tempfile.gettempdir())})/"
                       r"(cc\w+|\w[\w.-]*-[0-9a-f]+)\.s|/proc/self/fd/3")


def lists_of_reads(build_dir: Path) -> list[Path]:
    """The lists of what was read for each object."""
    return [path for pattern in ("*.d", "*.read")
            for path in sorted((build_dir / "obj").rglob(pattern))]


def refuse_foreign(lists: bytes, output: str, status: int, tree: Path,
                   allowed: Sequence[Path]) -> None:
    """Refuse a build for which a file outside the allowed places was read, by its lists; and one
    that failed with an error in such a file: it would be quoted."""
    if len(lists) > LARGEST:
        raise BadSubmission(["the sources read more files than a lab can need"])
    read = {(place, source(target)) for target, place in prerequisites(os.fsdecode(lists))}
    if status:
        read |= {(place, "a source") for place in PLACE.findall(output)}
    foreign = {place for place in {place for place, _ in read} if is_foreign(place, tree, allowed)}
    found = [(place, where) for place, where in read if place in foreign]
    if found:
        raise BadSubmission(sorted({f"{where} reads {printable(place)}, which is no part of the "
                                    "submission" for place, where in found}))


def source(target: str) -> str:
    """The source of an object: of BUILD/obj/lab1-boot/gdt.c.o it is lab1-boot/gdt.c."""
    return re.sub(r"^.*/obj/|\.o(\.E)?$", "", target)


def prerequisites(text: str) -> Iterator[tuple[str, str]]:
    """The files that lists in make's form name, each with its target: `target: a b \\` and so on.
    What is quoted in any odd way matches no file of ours, and so is refused."""
    for line in text.replace("\\\n", " ").splitlines():
        target, colon, rest = line.partition(": ")
        for place in rest.split() if colon else ():
            yield target.strip(), place


def is_foreign(place: str, tree: Path, allowed: Sequence[Path]) -> bool:
    """Whether a file lies outside: links are followed, and `..` led on."""
    if TEMPORARY.fullmatch(place):
        return False
    real = os.path.realpath(os.path.join(tree, place))
    return not any(real.startswith(f"{os.path.realpath(each)}/") for each in allowed)
