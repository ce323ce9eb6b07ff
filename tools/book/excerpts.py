"""What the texts quote from the sources. `make chapters` writes it, and a test compares.

A text says where an excerpt comes from in a comment, and the block after it is what stands there:

    <!-- from lab1-boot/trap.h: struct trap_frame -->

A struct, a union, an enum or a function of C is quoted to its closing brace, a label of nasm to the
next empty line. A solution is never quoted.
"""

from __future__ import annotations

import re
from pathlib import Path

from grade import tree
from grade.tree import ROOT
from tools.book import sources
from tools.command import Refusal

EXCERPT = re.compile(r"^<!-- from (\S+): (.+?) -->\n(?:\n```.*?\n```\n)?", re.M | re.S)
MARKER = re.compile(r"[{}] ?solution\b")


def texts() -> list[Path]:
    """The chapters, and the pages of the book that are written by hand."""
    return [*(directory / "README.md" for directory in tree.labs(ROOT).values()),
            *sorted((ROOT / "book").glob("*.md"))]


def refreshed(text: str) -> str:
    """The text with each excerpt as the source has it now."""
    return EXCERPT.sub(
        lambda found: f"<!-- from {found[1]}: {found[2]} -->\n\n"
                      f"```{sources.LANGUAGES[Path(found[1]).suffix]}\n"
                      f"{excerpt(found[1], found[2])}\n```\n", text)


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
