"""The hostile programs: each does what no program may; its file says what must come of that.

A program is one file in hostile/. Its first comment:

    ; name.asm: what it tries.
    ; Labs: 4                     the first that it can run in; without this line lab 3
    ; Arguments: 0x10 7 20..30    each of them is a run of its own; without this line one without
    ; Prints: a line              $1 is the argument; `a line (9 times)` means what it says
    ; Ends: exit 0                or SIGSEGV and the like, or `not started`

Arguments behind the end of others begin other runs, with another fate."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from grade.build import clean_environment, explain_failure, locked, require_tools
from grade.programs.broken import broken_files
from grade.tree import ROOT

SOURCES = Path(__file__).resolve().parent / "hostile"
BUILT = ROOT / "build" / "programs" / "hostile"
FIRST_LAB = 3
COMMENT = re.compile(r"^(?:; ?|/\*| \* ?)(.*)$")
FIELD = re.compile(r"(Labs|Arguments|Prints|Ends): (.*)")
TIMES = re.compile(r"(.*) \((\d+) times\)")
RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Fate(NamedTuple):
    """What a program writes, and how it ends: `exit 3`, `SIGSEGV` or `not started`."""

    output: bytes
    end: str


@dataclass(frozen=True)
class Run:
    """A program with its arguments, and its fate."""

    name: str
    arguments: tuple[str, ...]
    first_lab: int
    fate: Fate

    @property
    def title(self) -> str:
        return " ".join((self.name, *self.arguments))

    @property
    def elf(self) -> Path:
        """The file that makes its system calls by SYSCALL: Linux runs it too."""
        return BUILT / f"{self.name}.elf"

    @property
    def int80(self) -> Path:
        """The same by int 0x80."""
        return BUILT / f"{self.name}-int80.elf"


@dataclass
class Case:
    """Runs of a program that share their fate, as the comment tells it."""

    arguments: list[tuple[str, ...]]
    prints: list[str] = field(default_factory=list)
    end: str = ""

    def fate(self, arguments: Sequence[str]) -> Fate:
        def filled(text: str) -> str:
            return text.replace("$1", arguments[0]) if arguments else text
        return Fate("".join(map(repeated, map(filled, self.prints))).encode(), filled(self.end))


def repeated(line: str) -> str:
    found = TIMES.fullmatch(line)
    return (found[1] + "\n") * int(found[2]) if found else line + "\n"


def hostile_suite(lab: int | None = None) -> list[Run]:
    """Every run, with its files made; of a lab, those that it has the system calls for."""
    make_programs()
    return [run for source in sources() for run in runs(source)
            if lab is None or run.first_lab <= lab]


def sources() -> list[Path]:
    return sorted(path for path in SOURCES.iterdir() if path.suffix in (".c", ".asm"))


def make_programs() -> None:
    """Make what is not made yet, in build/programs/hostile."""
    require_tools("gcc")
    BUILT.mkdir(parents=True, exist_ok=True)
    with locked(BUILT / ".lock"):
        done = subprocess.run(["make", "-s", "-C", str(SOURCES), f"-j{os.cpu_count() or 1}"],
                              env=clean_environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        write_broken_files()
    if done.returncode != 0:
        explain_failure(done.stdout)


def write_broken_files() -> None:
    """Beside the programs, so that these find them on Linux too."""
    for name, data in broken_files().items():
        file = BUILT / name
        if not file.exists() or file.read_bytes() != data:
            file.write_bytes(data)
            file.chmod(0o755)


def runs(source: Path) -> Iterator[Run]:
    """The runs that a program's first comment tells of."""
    first_lab, cases = parse(first_comment(source))
    for case in cases:
        for arguments in case.arguments:
            yield Run(source.stem, arguments, first_lab, case.fate(arguments))


def first_comment(source: Path) -> Iterator[str]:
    for line in source.read_text().splitlines():
        found = COMMENT.match(line)
        if not found:
            return
        yield found[1]


def purpose(source: Path) -> str:
    """What a program tries, in the words of its comment."""
    text = " ".join(line for line in first_comment(source) if not FIELD.match(line))
    return text.partition(": ")[2].strip(" /")


def parse(comment: Iterator[str]) -> tuple[int, list[Case]]:
    """The first lab that can run the program, and its cases."""
    first_lab, cases = FIRST_LAB, [Case([()])]
    for name, value in FIELD.findall("\n".join(comment)):
        if name == "Labs":
            first_lab = int(value)
        elif name == "Arguments":
            if cases[-1].end:
                cases.append(Case([]))
            elif cases[-1].arguments == [()]:
                cases[-1].arguments.clear()
            cases[-1].arguments += listed(value)
        elif name == "Prints":
            cases[-1].prints.append(value)
        else:
            cases[-1].end = value
    return first_lab, cases


def listed(text: str) -> Iterator[tuple[str, ...]]:
    """`7 20..22` is 7, 20, 21 and 22."""
    for word in text.split():
        found = RANGE.fullmatch(word)
        for each in range(int(found[1]), int(found[2]) + 1) if found else (word,):
            yield (str(each),)
