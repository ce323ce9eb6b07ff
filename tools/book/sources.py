"""The sources as pages: what a student finds in his tree, so without any solution."""

from __future__ import annotations

import re
from pathlib import Path

from grade.tree import ROOT
from tools import tree

try:
    from tools import starter
except ImportError:  # a students' tree has nothing to cut, and not the tool for it
    starter = None  # type: ignore[assignment]

LANGUAGES = {".c": "c", ".h": "c", ".asm": "nasm", ".inc": "nasm", ".py": "python",
             ".json": "json", ".mk": "make"}
FENCE = "`" * 8


def of_lab(directory: Path) -> list[Path]:
    """The files that a lab adds or changes, relative to the tree. Symlinks are an earlier lab's."""
    return sorted(path.relative_to(ROOT) for path in directory.iterdir()
                  if path.suffix in tree.SOURCES and path.is_file() and not path.is_symlink())


def given() -> list[Path]:
    """What every lab is given."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / "common").rglob("*")
                  if path.suffix in (*LANGUAGES, ".ld") and path.is_file())


def shown(file: Path) -> str:
    """The text of a file as students have it."""
    text = (ROOT / file).read_text()
    if starter and file.suffix in tree.SOURCES and tree.lab_of(file):
        return starter.cut(text, tree.SOURCES[file.suffix], lambda exercise: False, str(file))
    return text


def page_name(file: Path) -> str:
    return f"source/{file}"


def page(file: Path) -> str:
    """One file, with numbers at its lines. Search finds it; no table of contents has it."""
    language = LANGUAGES.get(file.suffix, "text")
    return "\n".join(["---", "orphan: true", "---", f"# {file}", "",
                      f"{FENCE}{{code-block}} {language}", ":linenos:", "",
                      shown(file).rstrip("\n"), FENCE, ""])


def purpose(file: Path) -> str:
    """What a file says of itself in its first sentence."""
    head = "\n".join(re.sub(r"^\s*(/\*+|\*/?|;+|#+!?.*sh$)\s?", "", line).rstrip(" */")
                     for line in (ROOT / file).read_text().split("\n#")[0].splitlines()[:12])
    said = re.match(r"\s*(?:\S+\.(?:c|h|asm|inc|py)[:,]?\s+)?(.*?[.:](?=\s|$)|.*?(?=\n\n|$))", head,
                    re.S)
    words = " ".join((said[1] if said else "").split()).rstrip(".:")
    return words.replace("|", "\\|")[:160]


def index(labs: list[Path]) -> str:
    """The page that lists all of them."""
    lines = ["# The sources", "",
             "The files as students have them: where a solution was, stands the exercise.", ""]
    for directory in labs:
        lines += [f"## Lab {directory.name[3]}: new and changed files", "",
                  *table(of_lab(directory)), ""]
    lines += ["## What every lab is given", "", *table(given()), ""]
    return "\n".join(lines)


def table(files: list[Path]) -> list[str]:
    return ["| file | what |", "|---|---|",
            *(f"| [`{file}`](/{page_name(file)}.md) | {purpose(file)} |" for file in files)]
