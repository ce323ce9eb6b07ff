"""Make the students' tree from the reference by cutting the solutions out: make starter.

In the reference a solution stands between two markers, each alone on its line:

    /* { solution 2.3 */ ... /* } solution */        in C
    ; { solution 2.3     ... ; } solution            in nasm

In its place students find `NOT_WRITTEN("2.3");` (in nasm `NOT_WRITTEN "2.3"`), which says where
it stands and stops the machine. A C solution whose marker begins in the first column lies outside
every function, such as a helper that only the solution needs: it leaves nothing behind.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grade.tree import ROOT, lab_directory, refuse_lost_links
from tools import command, tree
from tools.command import Refusal

Keep = Callable[[str], bool]

# Only who makes starters and grades graders needs these.
REFERENCE_ONLY = ("grade/bugs", "grade/tests", ".ci", ".github", "tools/authors.mk",
                  "tools/starter.py", "tools/bug.py", "tools/rebase.py", "tools/bench.py",
                  "tools/peers.json", "tools/platforms.py", "tools/lint", "CONTRIBUTING.md",
                  "book/instructors.md", "tools/book/mistakes.py", "tools/classroom",
                  "tools/class.sbatch")
MANIFEST = ".rung-starter"

OPENING = {"c": re.compile(r"^([ \t]*)/\* \{ solution (\S+) \*/\s*$"),
           "nasm": re.compile(r"^([ \t]*); \{ solution (\S+)\s*$")}
CLOSING = {"c": re.compile(r"^[ \t]*/\* \} solution \*/\s*$"),
           "nasm": re.compile(r"^[ \t]*; \} solution\s*$")}
MARKER_LIKE = re.compile(r"[{}] ?solution\b")
EXERCISE = re.compile(r"\bExercise (\d+\.\d+) \(")


class StarterError(Refusal):
    """Something in the reference that a person must repair first; says where."""


@dataclass(frozen=True)
class Solution:
    """A marked solution: lines[first] is its opening marker, lines[last] its closing one."""

    exercise: str
    first: int
    last: int
    indentation: str


def solutions(text: str, language: str, name: str = "text") -> list[Solution]:
    """The marked solutions of a file, in order."""
    found: list[Solution] = []
    opened: tuple[int, str, str] | None = None
    number = 0
    for number, line in enumerate(text.splitlines()):
        opening = OPENING[language].match(line)
        where = f"{name}:{number + 1}"
        if opening:
            if opened:
                raise StarterError(f"{where}: solution {opening[2]} begins inside solution "
                                   f"{opened[1]}, which began in line {opened[0] + 1}")
            opened = (number, opening[2], opening[1])
        elif CLOSING[language].match(line):
            if not opened:
                raise StarterError(f"{where}: a solution ends here and none has begun")
            found.append(Solution(opened[1], opened[0], number, opened[2]))
            opened = None
        elif MARKER_LIKE.search(line):
            raise StarterError(f"{where}: this looks like a solution's marker and is none: "
                               + line.strip())
    if opened:
        raise StarterError(f"{name}:{opened[0] + 1}: solution {opened[1]} begins here and never "
                           "ends")
    return found


def cut(text: str, language: str, keep: Keep, name: str = "text") -> str:
    """The text without the solutions that `keep` does not keep, and without any marker."""
    lines = text.splitlines(keepends=True)
    for solution in reversed(solutions(text, language, name)):
        inside = lines[solution.first + 1:solution.last]
        after = solution.last + 1
        if not keep(solution.exercise):
            inside = substitute(solution, language)
            if not inside and solution.first and not lines[solution.first - 1].strip():
                after += after < len(lines) and not lines[after].strip()
        lines[solution.first:after] = inside
    return "".join(lines)


def substitute(solution: Solution, language: str) -> list[str]:
    """What stands in a solution's place."""
    if language == "nasm":
        return [f'{solution.indentation}NOT_WRITTEN "{solution.exercise}"\n']
    if solution.indentation:
        return [f'{solution.indentation}NOT_WRITTEN("{solution.exercise}");\n']
    return []


def make_tree(source: Path, destination: Path, lab: int, keep: Keep = lambda exercise: False
              ) -> None:
    """Write the students' tree of labs 1 to `lab`; `keep` says which exercises stay solved.

    Everything is read and cut before anything is written, so an error leaves nothing behind.
    """
    refuse_lost_links(source)
    inside = destination.resolve()
    chosen = [path for path in tree.files(source)
              if belongs(path, lab) and inside not in (source.resolve() / path).parents]
    check_exercises(source, chosen)
    texts = {path: cut(*read(source, path), keep, str(path)) for path in chosen
             if is_marked(source, path)}
    texts.update({path: without_later_labs((source / path).read_text(), lab) for path in chosen
                  if path.parts[0] == ".vscode"})
    for path in chosen:
        write(source, destination, path, texts.get(path))
    manifest = {str(path): fingerprint(destination / path) for path in chosen}
    (destination / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def belongs(path: Path, lab: int) -> bool:
    """Whether a file of the reference goes into the students' tree of labs 1 to `lab`."""
    name = path.as_posix()
    if any(name == only or name.startswith(only + "/") for only in REFERENCE_ONLY):
        return False
    return name != MANIFEST and (tree.lab_of(path) or 0) <= lab


def without_later_labs(text: str, lab: int) -> str:
    """What an editor offers: of its lists of labs, one a line, those that are in the tree."""
    return "".join(line for line in text.splitlines(keepends=True)
                   if all(int(number) <= lab for number in re.findall(r'"lab([1-9])-', line)))


def is_marked(source: Path, path: Path) -> bool:
    """Whether a file may hold solutions: a lab's own source, once, where it is no symlink."""
    return (re.match(r"lab[1-9]-", path.as_posix()) is not None and path.suffix in tree.SOURCES
            and not (source / path).is_symlink())


def read(source: Path, path: Path) -> tuple[str, str]:
    return (source / path).read_text(), tree.SOURCES[path.suffix]


def check_exercises(source: Path, chosen: list[Path]) -> None:
    """Every exercise that is set has a solution, and says so where that is cut out."""
    asked: dict[str, str] = {}
    solved: dict[str, str] = {}
    silent: dict[str, str] = {}
    for path in filter(lambda path: is_marked(source, path), chosen):
        text, language = read(source, path)
        for number, line in enumerate(text.splitlines(), start=1):
            for exercise in EXERCISE.findall(line):
                asked.setdefault(exercise, f"{path}:{number}")
        for solution in solutions(text, language, str(path)):
            found = solved if substitute(solution, language) else silent
            found.setdefault(solution.exercise, f"{path}:{solution.first + 1}")
    for exercise, where in asked.items():
        if exercise not in {**solved, **silent}:
            raise StarterError(f"{where}: exercise {exercise} has no solution")
    for exercise, where in {**silent, **solved}.items():
        if exercise not in asked:
            raise StarterError(f"{where}: solution {exercise} has no exercise: no comment says "
                               f"\"Exercise {exercise} (\"")
        if exercise not in solved:
            raise StarterError(f"{where}: solution {exercise} has no part inside a function, so "
                               "nothing would say that it is not written yet")


def write(source: Path, destination: Path, path: Path, text: str | None) -> None:
    """Write one file of the tree: a symlink stays one, other files keep their mode. One that is
    there and is the same is left alone, and so is what was built from it."""
    target = destination / path
    data = (source / path).read_bytes() if text is None else text.encode()
    if not (source / path).is_symlink() and not target.is_symlink() and target.is_file() \
            and target.read_bytes() == data:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        target.unlink()
    if (source / path).is_symlink():
        target.symlink_to(os.readlink(source / path))
        return
    target.write_bytes(data)
    shutil.copymode(source / path, target)


def fingerprint(path: Path) -> str:
    if path.is_symlink():
        return "-> " + os.readlink(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def somebodys_work(destination: Path) -> list[str]:
    """What would be lost if the directory were made anew: files that this tool did not write,
    and those that were changed since. In a directory that it did not make it looks no further."""
    if not destination.is_dir():
        return [destination.name] if os.path.lexists(destination) else []
    try:
        manifest = json.loads((destination / MANIFEST).read_text())
    except (FileNotFoundError, ValueError):
        return sorted(path.name for path in destination.iterdir())
    found = [path for path in destination.rglob("*") if tree.is_file(path)]
    names = {path.relative_to(destination).as_posix(): path for path in found}
    return sorted(name for name, path in names.items()
                  if name != MANIFEST and not name.startswith("build/")
                  and manifest.get(name) != fingerprint(path))


def clear(destination: Path) -> None:
    """Remove what an earlier run wrote, and what was built from it."""
    if (destination / MANIFEST).exists():
        shutil.rmtree(destination)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make starter", description=__doc__)
    parser.add_argument("--lab", type=int, required=True, help="labs 1 to this one")
    parser.add_argument("--out", type=Path, default=ROOT / "build/starter")
    parser.add_argument("--fresh", action="store_true", help="earlier labs are given solved")
    arguments = parser.parse_args()
    out: Path = arguments.out
    work = somebodys_work(out)
    if work:
        raise Refusal("\n    ".join([
            f"{out} is not as make starter left it, and nobody's work shall be lost. "
            "These would be:", *work[:5], *(["..."] if len(work) > 5 else []),
            "Choose another directory (OUT=), or remove this one."]))

    def keep(exercise: str) -> bool:
        return arguments.fresh and not exercise.startswith(f"{arguments.lab}.")

    lab_directory(ROOT, arguments.lab)
    clear(out)
    make_tree(ROOT, out, arguments.lab, keep)
    solved = " (earlier labs are solved)" if arguments.fresh and arguments.lab > 1 else ""
    print(f"{out}: labs 1 to {arguments.lab}{solved}. There: make setup grade LAB={arguments.lab}")
    return 0


if __name__ == "__main__":
    command.run("make starter", main)
