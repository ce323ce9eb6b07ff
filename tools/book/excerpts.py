"""What the texts quote from the sources. `make chapters` writes it, and a test compares.

A text says where an excerpt comes from in a comment, and the block after it is what stands there:

    <!-- from lab1-boot/trap.h: struct trap_frame -->

A struct, a union, an enum or a function of C is quoted to its closing brace, a label of nasm to the
next empty line. A solution is never quoted. In a starter's message, such as `exercise 1.3 is not
written yet (lab1-boot/serial.c:48)`, the number is that of the line in the students' tree.
"""

from __future__ import annotations

import re
from pathlib import Path

from grade import tree
from grade.tree import ROOT
from tools.book import sources
from tools.command import Refusal

EXCERPT = re.compile(r"^<!-- from (\S+): (.+?) -->\n(?:\n```.*?\n```\n)?", re.M | re.S)
MESSAGE = re.compile(r"(exercise (\d\.\d+) is not written yet\s+\((\S+)):(\d+)\)")
MARKER = re.compile(r"[{}] ?solution\b")


def texts() -> list[Path]:
    """README, the chapters, and the pages of the book that are written by hand."""
    chapters = [directory / "README.md" for directory in tree.labs(ROOT).values()]
    return [ROOT / "README.md", *chapters,
            *sorted((ROOT / "book").glob("*.md"))]


def refreshed(text: str) -> str:
    """The text with each excerpt, and the line of each message, as the source has it now."""
    return MESSAGE.sub(with_line, EXCERPT.sub(
        lambda found: f"<!-- from {found[1]}: {found[2]} -->\n\n"
                      f"```{sources.LANGUAGES[Path(found[1]).suffix]}\n"
                      f"{excerpt(found[1], found[2])}\n```\n", text))


def with_line(message: re.Match[str]) -> str:
    """A starter's message with the line where it comes from: the first of the exercise's, if there
    is none of them where the message says."""
    words, exercise, file, number = message.groups()
    if not (ROOT / file).is_file():
        return message[0]
    lines = [line for line, text in enumerate(sources.shown(Path(file)).splitlines(), 1)
             if "NOT_WRITTEN" in text and f'"{exercise}"' in text]
    if not lines:  # a student has written it
        return message[0]
    return f"{words}:{number if int(number) in lines else lines[0]})"


def excerpt(file: str, name: str) -> str:
    """The definition of a name."""
    path = ROOT / file
    if not path.is_file():
        raise Refusal(f"an excerpt is to come from {file}, and there is no such file")
    if path.suffix in (".asm", ".inc"):
        pattern = rf"^{re.escape(name)}:.*?(?=\n\s*\n|\Z)"
    elif " " in name:
        pattern = rf"^{re.escape(name)} \{{.*?^\}}[^\n]*;"
    else:
        pattern = rf"^\w[^\n;]*\b{re.escape(name)}\([^;]*?\)\n\{{.*?^\}}"
    found = re.search(pattern, path.read_text(), re.M | re.S)
    if not found:
        raise Refusal(f"an excerpt is to come from {file}, and {name} is not defined there")
    if MARKER.search(found[0]):
        raise Refusal(f"an excerpt would show a solution: {name} in {file}")
    return found[0]


def refresh() -> list[Path]:
    """Write the excerpts anew; the files that have changed by that."""
    changed = []
    for path in texts():
        text = path.read_text()
        if (new := refreshed(text)) != text:
            path.write_text(new)
            changed.append(path)
    return changed
