"""The kernel of a lab as a tool needs it: built, from this tree or from FROM=, and the programs
that come along with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from grade.build import build
from grade.catalog import lab_name
from grade.errors import BuildFailed, CannotGrade, printable
from grade.lab import Lab
from grade.machine import Module
from grade.outcome import Failure
from grade.options import Options
from tools.command import Refusal

FIRST_WITH_PROGRAMS = 3
LONGEST_NAME = 255  # bytes of a module's name and words


def built_lab(number: int) -> Lab:
    """Lab n, built. FROM, CC and OPT come from the environment. Raises what build.py and intake.py
    raise: BuildFailed, BadSubmission, CannotGrade."""
    options = Options.from_environment({"lab": number})
    submission = options.submission
    if number not in submission.labs:
        raise CannotGrade(f"there is no {lab_name(number)} in {options.source or 'this tree'}")
    directory = submission.labs[number]
    built = build(directory, submission.build_dir(number), options.cc, options.opt,
                  common=submission.common, boxed=options.boxed)
    return Lab(submission.tree, directory, built, options.seed)


def modules(number: int, files: Sequence[str], words: str) -> list[Module]:
    """Programs as GRUB loads them: each under its name without .elf, and with the same words."""
    if files and number < FIRST_WITH_PROGRAMS:
        raise Refusal(f"PROGRAM=: lab {number} runs no programs; those from lab "
                      f"{FIRST_WITH_PROGRAMS} on do")
    found = []
    for file in map(Path, files):
        name = f"{file.stem} {words}".strip()
        if len(name.encode()) > LONGEST_NAME:
            raise Refusal(f"PROGRAM={file} ARGS=...: a name with its words has at most "
                          f"{LONGEST_NAME} characters, and this has {len(name)}")
        found.append(Module(file.read_bytes(), name))
    return found


def in_words(main: Callable[[], int]) -> Callable[[], int]:
    """What is wrong with a kernel is no bug of a tool's: it is said in words."""
    def said() -> int:
        try:
            return main()
        except BuildFailed as failed:
            errors = "\n".join(map(printable, failed.errors))
            raise Refusal(f"the lab does not build:\n{errors}") from None
        except Failure as failure:
            raise Refusal(printable("\n".join([str(failure), *failure.details]))) from None
    return said
