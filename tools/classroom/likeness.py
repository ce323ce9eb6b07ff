"""Whose sources are near another's, by Debian's similarity-tester, which compares programs by their
words and not by their names and layout.

Compared is what students wrote: the lines of their sources that the starter does not have. What is
near is looked at by a person; it proves nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from grade.intake import look_at
from grade.errors import BadSubmission
from grade.tree import ROOT
from tools.starter import cut
from tools.tree import SOURCES

PROGRAM = "sim_c"
NEAR = 60  # per cent of what one wrote
SHORTEST = 200  # bytes: what is shorter is near everything
LIMIT = 3600
REFERENCE = "the reference"
SAYS = re.compile(r"(\d+) consists for (\d+) % of (\d+) material")


@dataclass(frozen=True)
class Near:
    """So many per cent of what one wrote stand in the other's."""

    one: str
    other: str
    per_cent: int


def own_text(tree: Path, numbers: Iterable[int]) -> str:
    """What a student wrote in these labs: each line that the starter does not have."""
    try:
        files = look_at(tree, list(numbers)).files
    except BadSubmission:
        return ""
    given = starter_lines(numbers)
    return "".join(line + "\n" for name in sorted(files) if isinstance(files[name], bytes)
                   for line in files[name].decode(errors="replace").splitlines()  # type: ignore
                   if line.strip() not in given)


_given: dict[tuple[int, ...], set[str]] = {}


def starter_lines(numbers: Iterable[int]) -> set[str]:
    key = tuple(numbers)
    if key not in _given:
        _given[key] = {line.strip() for number in range(1, max(key) + 1)
                       for path in sorted(ROOT.glob(f"lab{number}-*/*"))
                       if path.suffix in SOURCES and not path.is_symlink()
                       for line in cut(path.read_text(), SOURCES[path.suffix],
                                       lambda exercise: False, path.name).splitlines()}
    return _given[key]


def is_possible() -> bool:
    """Not every release has the package similarity-tester: Debian 13 has not."""
    return shutil.which(PROGRAM) is not None


def near(texts: Mapping[str, str]) -> list[Near]:
    """Pairs that are near, the nearest first."""
    names = sorted(name for name, text in texts.items() if len(text) >= SHORTEST)
    with tempfile.TemporaryDirectory(prefix="rung-near-") as place:
        for number, name in enumerate(names):
            Path(place, str(number)).write_text(texts[name])
        done = subprocess.run([PROGRAM, "-p", "-e", "-s", "-T", "-t", str(NEAR), "-i"],
                              input="\n".join(map(str, range(len(names)))) + "\n", cwd=place,
                              capture_output=True, text=True, timeout=LIMIT)
    found: dict[tuple[str, str], int] = {}
    for one, per_cent, other in SAYS.findall(done.stdout):
        first, second = sorted((names[int(one)], names[int(other)]))
        found[first, second] = max(int(per_cent), found.get((first, second), 0))
    return [Near(one, other, per_cent) for (one, other), per_cent
            in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
