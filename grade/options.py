"""What `make grade` and `make debug` ask for: from the command line, or from make's variables."""

from __future__ import annotations

import argparse
import functools
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grade import intake
from grade.catalog import check_files
from grade.check import EXERCISE, ID
from grade.errors import CannotGrade, printable
from grade.intake import Submission
from grade.results import BOX, NO_SANDBOX, Request
from grade.tree import ROOT

# Option, variable of make, what it is. But for FROM an empty value is as good as none.
WORDS = (
    ("lab", "LAB", "the number of the lab to grade (default: all)"),
    ("test", "TEST", "the check to run, as T2.3, or an exercise, as 2.3; several, by commas"),
    ("seed", "SEED", "the seed of every random choice (default: a random one, which is printed)"),
    ("jobs", "JOBS", "how many checks at a time (default: one per core)"),
    ("from", "FROM", "the tree to grade: a directory that holds lab1-… (default: this one)"),
    ("cc", "CC", "the C compiler (default: gcc)"),
    ("opt", "OPT", "its optimisation (default: -O2)"),
    ("sandbox", "SANDBOX", "none: another's tree is built and run without a box"),
)

# What make, the shell, or a compiler takes for its own in a path: common/tree.mk's list.
ODD = re.compile(r"""[\x00-\x20\x7f'"`$&|;:\\<>{}()\[\]*?!~=%#]""")


@dataclass(frozen=True)
class Options:
    """A request that is understood, and not yet compared with what there is."""

    lab: int | None
    tests: tuple[str, ...] | None
    seed: int
    jobs: int
    source: str
    cc: str
    opt: str
    sandbox: str = ""
    debug: bool = False
    out: Path = ROOT / "build" / "grade"

    @classmethod
    def from_environment(cls, given: Mapping[str, Any] = {}, debug: bool = False,
                         out: str | None = None) -> Options:
        """The given values, and for those not given the environment's."""
        word = {name: str(given.get(name) or os.environ.get(variable, ""))
                for name, variable, _ in WORDS}
        if os.environ.get("FROM") == "" and not given.get("from"):
            raise CannotGrade("FROM= is empty: name the tree to grade, or leave FROM out")
        if word["sandbox"] not in ("", NO_SANDBOX):
            raise CannotGrade(f"SANDBOX={word['sandbox']} means nothing: there is SANDBOX=none")
        tests = tuple(test.strip().upper() for test in word["test"].split(",") if test.strip())
        return cls(lab=_lab(word["lab"], tests), tests=tests or None,
                   seed=_number(word["seed"], "SEED", secrets.randbelow(1_000_000)),
                   jobs=max(1, _number(word["jobs"], "JOBS", os.cpu_count() or 1)),
                   source=word["from"], cc=word["cc"] or "gcc", opt=word["opt"] or "-O2",
                   sandbox=word["sandbox"], debug=debug,
                   out=Path(out) if out else ROOT / "build" / "grade")

    @classmethod
    def parse(cls, arguments: Sequence[str] | None) -> Options:
        """The command line's. A wrong word ends the program with status 2, as argparse does."""
        parser = argparse.ArgumentParser(prog="python3 -m grade", description=__doc__)
        for name, variable, meaning in WORDS:
            parser.add_argument(f"--{name}", metavar=variable, help=meaning)
        parser.add_argument("--debug", action="store_true",
                            help="run one check under gdb, stopped at the function it is about")
        parser.add_argument("--out", metavar="DIR",
                            help="where the results are written (default: build/grade)")
        given = vars(parser.parse_args(arguments))
        return cls.from_environment(given, given["debug"], given["out"])

    @property
    def request(self) -> Request:
        sandbox = (self.sandbox or BOX) if self.foreign else None
        return Request(self.seed, self.tests, self.source, self.cc, self.opt, sandbox)

    @functools.cached_property
    def tree(self) -> Path:
        return _directory(self.source) if self.source else ROOT

    @property
    def foreign(self) -> bool:
        """Whether it is another's tree; and whether it comes into a box."""
        return self.tree != ROOT

    @property
    def boxed(self) -> bool:
        return self.foreign and self.sandbox != NO_SANDBOX

    def labs(self) -> list[int]:
        """The labs to grade: those that there are checks for, handed in or not."""
        known = sorted(check_files())
        if self.lab is not None and self.lab not in known:
            raise CannotGrade(f"there is no lab {self.lab} to grade; there are: "
                              f"{', '.join(map(str, known)) or 'none'}")
        return known if self.lab is None else [self.lab]

    @functools.cached_property
    def submission(self) -> Submission:
        """What is graded, after a look at it; another's tree has been copied then."""
        for path in (ROOT, self.out.absolute()):
            odd = ODD.search(str(path))
            if odd:
                raise CannotGrade(f"make and the shell cannot work with {odd[0]!r} in a path; "
                                  f"move {printable(str(path))}")
        if not self.foreign:
            return intake.own(ROOT, self.labs())
        return intake.foreign(self.tree, self.labs(), self.out.absolute() / "from")


def _directory(source: str) -> Path:
    """The directory that FROM= names."""
    shown = printable(source)
    try:
        path = Path(source).resolve(strict=True)
    except FileNotFoundError:
        raise CannotGrade(f"FROM={shown}: no such directory") from None
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long
        raise CannotGrade(f"FROM={shown} leads nowhere: is it a link to itself?") from None
    if not path.is_dir():
        raise CannotGrade(f"FROM={shown} is no directory; if it is an archive, unpack it first")
    return path


def _lab(word: str, tests: tuple[str, ...]) -> int | None:
    """LAB, or else the lab that TEST names."""
    if word:
        return _number(word, "LAB", 0)
    if not tests:
        return None
    match = ID.fullmatch(tests[0]) or EXERCISE.fullmatch(tests[0])
    if not match:
        raise CannotGrade(f"TEST={tests[0]}: a check's id looks like T2.3, and an "
                          "exercise's like 2.3; `make grade LAB=n TEST=list` lists those of lab n")
    return int(match[1])


def _number(word: str, variable: str, default: int) -> int:
    if word and not word.isdecimal():
        raise CannotGrade(f"{variable}={word} is not a number")
    return int(word) if word else default
