"""What lab n adds to lab n-1, or how a submission differs from the reference: make diff.

A file that a lab takes over as a symlink is the same file, and not shown. One of which little is
left is better read than compared: between labs it counts as rewritten. Chapters (README.md) are new
in every lab and only counted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grade.errors import printable
from grade.tree import ROOT, lab_directory, labs, refuse_lost_links
from tools import command
from tools.command import Refusal

CHAPTER = "README.md"
COMMON = "common"
REWRITTEN = 0.6  # the part of a file's lines, before and after, that changed
COLOURS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m"}
BOLD, PLAIN = "\033[1m", "\033[0m"


@dataclass
class Difference:
    """Two directories' files by name: only in the second, only in the first, rewritten, changed."""

    new: list[Path] = field(default_factory=list)
    gone: list[Path] = field(default_factory=list)
    rewritten: list[Path] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)

    def count(self, sign: str) -> int:
        """Lines of the changed files that were added ('+') or removed ('-')."""
        return sum(count(lines, sign) for lines in self.changed.values())


def count(lines: list[str], sign: str) -> int:
    """Lines of a `diff -u` that were added ('+') or removed ('-')."""
    return sum(line.startswith(sign) for line in lines[2:])


def sources(directory: Path) -> dict[str, Path]:
    """A directory's files by name, what is built left out."""
    return {path.relative_to(directory).as_posix(): path
            for path in sorted(directory.rglob("*"))
            if path.is_file() and "build" not in path.relative_to(directory).parts}


def compare(before: Path, after: Path, labels: tuple[str, str]) -> Difference:
    old, new = sources(before), sources(after)
    difference = Difference([new[name] for name in new if name not in old],
                            [old[name] for name in old if name not in new])
    for name in sorted(set(old) & set(new) - {CHAPTER}):
        if old[name].resolve() != new[name].resolve():
            lines = unified(old[name], new[name], [f"{label}/{name}" for label in labels])
            if lines:
                difference.changed[name] = lines
    return difference


def set_rewritten_apart(difference: Difference, before: Path, after: Path) -> None:
    """Of the changed files, those of which little is left."""
    for name, lines in list(difference.changed.items()):
        changed = count(lines, "+") + count(lines, "-")
        if changed > REWRITTEN * (line_count(before / name) + line_count(after / name)):
            del difference.changed[name]
            difference.rewritten.append(after / name)


def unified(old: Path, new: Path, labels: Iterable[str]) -> list[str]:
    """The lines of `diff -u`; none where the two are equal."""
    options = [argument for label in labels for argument in ("--label", label)]
    done = subprocess.run(["diff", "-u", *options, old, new], capture_output=True)
    if done.returncode > 1:
        raise Refusal(done.stderr.decode(errors="replace").strip())
    return done.stdout.decode(errors="replace").splitlines()


def line_count(path: Path) -> int:
    return len(path.read_bytes().splitlines())


class Printer:
    """Prints to people: in colour on a terminal, plain into a file. What a submission's files and
    names hold steers no terminal."""

    def __init__(self, coloured: bool) -> None:
        self.coloured = coloured

    def paint(self, text: str, colour: str) -> None:
        text = printable(text)
        print(f"{colour}{text}{PLAIN}" if self.coloured and colour else text)

    def files(self, heading: str, paths: list[Path], base: Path) -> None:
        if paths:
            self.paint(heading, BOLD)
            for path in paths:
                self.paint(f"  {line_count(path):6}  {path.relative_to(base)}", "")
            print(f"  {sum(map(line_count, paths)):6}  lines in {len(paths)} "
                  f"file{'s' if len(paths) != 1 else ''}\n")

    def changes(self, difference: Difference) -> None:
        for lines in difference.changed.values():
            for line in lines:
                header = line.startswith(("+++", "---"))
                self.paint(line, BOLD if header else COLOURS.get(line[:1], ""))
            print()

    def summary(self, difference: Difference) -> None:
        added, removed = difference.count("+"), difference.count("-")
        names = ", ".join(difference.changed) or "none"
        self.paint(f"{added + removed} changed lines (+{added} -{removed}) in "
                   f"{len(difference.changed)} of the files that both have: {names}", BOLD)


def lab_diff(number: int, printer: Printer) -> None:
    """What a lab adds to the lab before it."""
    lab = lab_directory(ROOT, number)
    if number == 1:
        printer.files("Lab 1 is the first. It consists of:", list(sources(lab).values()), lab)
        return
    before = lab_directory(ROOT, number - 1)
    difference = compare(before, lab, (before.name, lab.name))
    set_rewritten_apart(difference, before, lab)
    show(printer, difference, before, lab)


def submission_diff(number: int, against: Path, printer: Printer) -> None:
    """How a submission's lab differs from the reference, and its common/ if it has one."""
    lab = lab_directory(ROOT, number)
    is_tree = bool(labs(against))
    theirs = lab_directory(against, number) if is_tree else against
    if not any((theirs / path.name).exists() for path in lab.iterdir()):
        raise Refusal(f"{against} is neither a tree with labs nor a copy of {lab.name}")
    pairs = [(lab, theirs)]
    if is_tree and (against / COMMON).is_dir():
        pairs.append((ROOT / COMMON, against / COMMON))
    for ours, other in pairs:
        difference = compare(ours, other, ("reference/" + ours.name, "submission/" + ours.name))
        if other is theirs or difference != Difference():
            show(printer, difference, ours, other)


def show(printer: Printer, difference: Difference, before: Path, after: Path) -> None:
    printer.files(f"New in {after.name}:", difference.new, after)
    printer.files(f"Rewritten in {after.name}:", difference.rewritten, after)
    printer.files(f"No longer in {after.name}:", difference.gone, before)
    printer.changes(difference)
    printer.summary(difference)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make diff", description=__doc__)
    parser.add_argument("--lab", type=int, required=True)
    parser.add_argument("--against", type=Path, help="a submission: a tree, or a lab's directory")
    arguments = parser.parse_args()
    printer = Printer(sys.stdout.isatty())
    refuse_lost_links(ROOT)
    if arguments.against is None:
        lab_diff(arguments.lab, printer)
    elif arguments.against.is_dir():
        submission_diff(arguments.lab, arguments.against, printer)
    else:
        raise Refusal(f"{arguments.against} is no directory")
    return 0


if __name__ == "__main__":
    command.run("make diff", main)
