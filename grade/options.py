"""What `make grade` and `make debug` ask for: from the command line, or from make's variables."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grade.build import ROOT
from grade.catalog import gradable, lab_directory
from grade.check import ID
from grade.errors import CannotGrade
from grade.results import Request

# Option, variable of make, what it is. But for FROM an empty value is as good as none.
WORDS = (
    ("lab", "LAB", "the number of the lab to grade (default: all)"),
    ("test", "TEST", "the check to run, as T2.3; or several, separated by commas"),
    ("seed", "SEED", "the seed of every random choice (default: a random one, which is printed)"),
    ("jobs", "JOBS", "how many checks at a time (default: one per core)"),
    ("from", "FROM", "the tree to grade (default: this one)"),
    ("cc", "CC", "the C compiler (default: gcc)"),
    ("opt", "OPT", "its optimisation (default: -O2)"),
)


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
        tests = tuple(test.strip().upper() for test in word["test"].split(",") if test.strip())
        return cls(lab=_lab(word["lab"], tests), tests=tests or None,
                   seed=_number(word["seed"], "SEED", secrets.randbelow(1_000_000)),
                   jobs=max(1, _number(word["jobs"], "JOBS", os.cpu_count() or 1)),
                   source=word["from"], cc=word["cc"] or "gcc", opt=word["opt"] or "-O2",
                   debug=debug, out=Path(out) if out else ROOT / "build" / "grade")

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
    def tree(self) -> Path:
        return Path(self.source).resolve() if self.source else ROOT

    @property
    def request(self) -> Request:
        return Request(self.seed, self.tests, self.source, self.cc, self.opt)

    def labs(self) -> list[int]:
        """The labs to grade, after a look at what there is."""
        if not self.tree.is_dir():
            raise CannotGrade(f"FROM={self.source}: no such directory")
        for path in (self.tree, self.out.absolute()):
            odd = re.search(r"[\s:%()'\"$&;*<>|`\\?]", str(path))
            if odd:
                raise CannotGrade(f"make and the shell cannot work with {odd[0]!r} in a path; "
                                  f"move {path}")
        there = gradable(self.tree)
        listed = ", ".join(map(str, there)) or "none"
        if self.lab is not None and self.lab not in there:
            raise CannotGrade(f"there is no lab {self.lab} to grade in {self.tree}; "
                              f"there are: {listed}")
        if not there:
            raise CannotGrade(f"{self.tree} holds no lab to grade (a directory lab1-…)")
        return there if self.lab is None else [self.lab]

    def build_dir(self, number: int) -> Path:
        """Where a lab is built: beside our results if it comes from another tree."""
        name = lab_directory(self.tree, number).name
        if self.tree == ROOT:
            return ROOT / "build" / name
        key = hashlib.sha256(str(self.tree).encode()).hexdigest()[:12]
        return self.out / "from" / key / name


def _lab(word: str, tests: tuple[str, ...]) -> int | None:
    """LAB, or else the lab that TEST names."""
    if word:
        return _number(word, "LAB", 0)
    if not tests:
        return None
    match = ID.fullmatch(tests[0])
    if not match:
        raise CannotGrade(f"TEST={tests[0]}: a check's id looks like T2.3; "
                          "`make grade LAB=n TEST=list` lists those of lab n")
    return int(match[1])


def _number(word: str, variable: str, default: int) -> int:
    if word and not word.isdecimal():
        raise CannotGrade(f"{variable}={word} is not a number")
    return int(word) if word else default
