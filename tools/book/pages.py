"""The pages of the book: chapters, the pages in book/, and those that are made from the code.

A chapter is read in two places: as a file of the tree, where a link leads to another file, and as
a page of the book. So links are written for the tree, and turned here.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from grade import tree
from grade.catalog import load
from grade.tree import ROOT
from tools.book import checks, drawings, filemap, sources
from tools.command import Refusal

LINK = re.compile(r"(!?)\[([^\]\n]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")
CHECK = re.compile(r"(?<![\w`-])T[1-9]\.\d+\b")
PLACE = re.compile(r"^<!-- book: (.*) -->$", re.M)

# Pages that are files of the tree: their names in the book.
FILES = {"README.md": "project", "grade/README.md": "grader", "CONTRIBUTING.md": "contributing"}


@dataclass
class Book:
    """Pages by name, each with the file that its links start from; and pictures beside them."""

    pages: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Path] = field(default_factory=dict)
    pictures: set[Path] = field(default_factory=set)

    def add(self, name: str, text: str, origin: Path) -> None:
        self.pages[name] = text
        self.origins[name] = origin

    def page_of(self, file: Path) -> str | None:
        """The name of the page that shows a file of the tree; a source gets its page now."""
        for name, origin in self.origins.items():
            if origin == file:
                return name
        if (ROOT / file).is_file() and file.suffix != ".md":
            self.add(sources.page_name(file), sources.page(file), file)
            return sources.page_name(file)
        return None


def gather(out: Path) -> None:
    """Write every page to `out`, ready for Sphinx. What is the same there already stays."""
    book = Book()
    labs = tree.labs(ROOT)
    for path in sorted((ROOT / "book").glob("*.md")):
        book.add(path.stem, path.read_text(), path.relative_to(ROOT))
    for text, name in FILES.items():
        if (ROOT / text).exists():
            book.add(name, (ROOT / text).read_text(), Path(text))
    for number, directory in labs.items():
        chapter = (directory / "README.md").relative_to(ROOT)
        book.add(directory.name, (ROOT / chapter).read_text(), chapter)
        for source in sources.of_lab(directory):
            book.page_of(source)
        book.add(f"files-lab{number}", filemap.page(number), Path(f"build/files-lab{number}"))
    for source in sources.given():
        book.page_of(source)
    book.add("checks", checks.page(list(labs)), Path("build/checks"))
    if (ROOT / "grade/bugs").is_dir():
        from tools.book import mistakes  # of the full tree, as the zoo is
        book.add("mistakes", mistakes.page(list(labs)), Path("build/mistakes"))
    book.add("sources", sources.index(list(labs.values())), Path("build/sources"))
    finish(book)
    write(book, out)


def finish(book: Book) -> None:
    """Fill the places, and turn the links; a link may bring a page of its own."""
    done: set[str] = set()
    while waiting := [name for name in book.pages if name not in done]:
        for name in waiting:
            done.add(name)
            if not name.startswith("source/"):
                text = PLACE.sub(lambda place: fill(book, name, place[1]), book.pages[name])
                text = known_checks(known_files(book, name, text))
                book.pages[name] = LINK.sub(lambda link: turned(book, name, link), text)


def turned(book: Book, name: str, link: re.Match[str]) -> str:
    """A link of a page, as the book needs it."""
    picture, words, target, anchor = link[1], link[2], link[3], link[4] or ""
    file = Path(os.path.normpath(book.origins[name].parent / target))
    if target.strip("/").removesuffix(".md") in book.pages:  # already a page's name
        return f"[{words}]({target.strip('/').removesuffix('.md')}.md{anchor})"
    if picture:
        book.pictures.add(file)
        return f"![{words}](/{file})"
    real = (ROOT / file).resolve()
    page = book.page_of(real.relative_to(ROOT)) if real.is_relative_to(ROOT) else None
    if page:
        return f"[{words}]({page}.md{anchor})"
    if not (ROOT / "tools/authors.mk").exists():
        return words  # students have the labs up to one, and nothing of the authors'
    raise Refusal(f"{book.origins[name]} has a link to {target}, and there is no such file")


def known_files(book: Book, name: str, text: str) -> str:
    """In tables a file that has a page is a link to it."""
    directory = book.origins[name].parent

    def link(code: re.Match[str]) -> str:
        file = Path(os.path.normpath(directory / code[1]))
        return f"[`{code[1]}`]({code[1]})" if (ROOT / file).is_file() else code[0]

    return re.sub(r"^\|.*$", lambda row: re.sub(r"(?<!\[)`([\w./-]+\.(?:c|h|asm|inc|ld))`", link,
                                                row[0]), text, flags=re.M)


def known_checks(text: str) -> str:
    """In tables and in the line of an exercise's checks, a check's id leads to the index."""
    known = {check.id for number in tree.labs(ROOT) for check in load(number)}

    def link(found: re.Match[str]) -> str:
        return f"{{ref}}`{found[0]} <check-{found[0].lower()}>`" if found[0] in known else found[0]

    return re.sub(r"^(?:\||checks: ).*$",
                  lambda line: CHECK.sub(link, line[0]), text, flags=re.M)


def fill(book: Book, name: str, place: str) -> str:
    """What the book shows and the file of a chapter does not: <!-- book: WHAT -->."""
    what, _, rest = place.partition(" ")
    if what == "files":
        return f"Which of them calls which: [the map of the files](files-{name[:4]}.md)."
    if what == "contents":
        return contents(book, *rest.split(": "))
    if what == "drawing":
        return drawings.figure(rest)
    raise Refusal(f"{book.origins[name]}: the book has nothing for the place {place}")


def contents(book: Book, caption: str, patterns: str) -> str:
    """A part of the table of contents: those of its pages that this tree has."""
    names = [name for pattern in patterns.split() for name in sorted(book.pages)
             if fnmatch.fnmatchcase(name, pattern)]
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", *names, "```"])


def write(book: Book, out: Path) -> None:
    """Only what has changed, so that Sphinx reads no page twice; what is no page any more goes."""
    wanted = {out / f"{name}.md": text.encode() for name, text in book.pages.items()}
    for file in (*book.pictures, *(path.relative_to(ROOT) for path in
                                   (ROOT / "book/static").rglob("*") if path.is_file())):
        wanted[out / file] = (ROOT / file).read_bytes()
    wanted[out / "conf.py"] = (ROOT / "book/conf.py").read_bytes()
    for path, data in wanted.items():
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for path in list(out.rglob("*")):
        if path.is_file() and path not in wanted:
            path.unlink()
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)
