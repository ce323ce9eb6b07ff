"""The book: it is made without a warning, and what it shows of the code is what the code is."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from grade.catalog import check_files, load
from grade.check import exercise_points
from grade.tests.tools.conftest import ROOT, Run
from grade.tree import lab_directory, labs
from tools.book import excerpts, filemap, sources
from tools.command import Refusal
from tools.starter import cut
from tools.tree import SOURCES

NASM = re.compile(r"^```nasm\n(.*?)^```$", re.M | re.S)


class Anchors(HTMLParser):
    """Where a page leads, and what in it can be led to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.names |= {given.get("id") or ""}
        link = given.get("href" if tag in ("a", "link") else "xlink:href" if tag == "a" else "src")
        self.links += [each for each in (link, given.get("xlink:href")) if each]


def test_the_book_is_made_and_every_link_in_it_leads_somewhere(tmp_path: Path, run: Run) -> None:
    """Sphinx makes no warning; its links and those that it does not know, as in maps, resolve."""
    done = run("sh", ROOT / "tools/python", "-m", "tools.book", "--pages", tmp_path / "pages",
               "--out", tmp_path / "book", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    pages = {path: Anchors(path) for path in (tmp_path / "book").rglob("*.html")}
    lost = [f"{page.name}: {link}" for page, anchors in pages.items() for link in anchors.links
            if not leads_somewhere(page, link, pages)]
    assert lost == []
    no_page_shows_a_solution(tmp_path / "pages")
    index = pages[tmp_path / "book/checks.html"]
    ids = {check.id for lab in check_files() for check in load(lab)}
    assert {f"check-{each.lower().replace('.', '-')}" for each in ids} <= index.names


def leads_somewhere(page: Path, link: str, pages: dict[Path, Anchors]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not file.is_file():
        return False
    return not parts.fragment or file not in pages or unquote(parts.fragment) in pages[file].names


def no_page_shows_a_solution(pages: Path) -> None:
    """A source's page has the exercise where the source has the solution."""
    solved = 0
    for file in (file for lab in labs(ROOT).values() for file in sources.of_lab(lab)):
        text, language = (ROOT / file).read_text(), SOURCES[file.suffix]
        shown = (pages / f"{sources.page_name(file)}.md").read_text()
        assert cut(text, language, lambda exercise: False).strip() in shown, file
        solved += cut(text, language, lambda exercise: False) != text
    assert solved > 20


@pytest.mark.parametrize("number", sorted(check_files()))
def test_a_chapter_promises_the_points_that_its_checks_give(number: int) -> None:
    """In the table of exercises, in the headings, and the checks below each."""
    text = (lab_directory(ROOT, number) / "README.md").read_text()
    points = exercise_points(load(number))
    table = re.findall(r"^\| (\d\.\d+) \| (\d+) \|.*\| \d+ \| (?:easy|medium|hard) \|$", text, re.M)
    assert {each: int(worth) for each, worth in table} == points
    for each, worth, body in re.findall(r"^### Exercise (\d\.\d+) \((\d+) points\)\n(.*?)(?=^##)",
                                        text, re.M | re.S):
        assert points.pop(each) == int(worth)
        listed = re.findall(r"T\d\.\d+", re.findall(r"^checks: (.*)$", body, re.M)[0])
        assert listed == [check.id for check in load(number) if check.exercise == each]
    assert points == {}


def test_each_check_says_what_it_looks_at() -> None:
    silent = [check.id for lab in check_files() for check in load(lab) if not check.body.__doc__]
    assert silent == []


@pytest.mark.parametrize("text", excerpts.texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_text_quotes_is_what_the_source_has(text: Path) -> None:
    """Otherwise `make chapters` writes it anew."""
    assert excerpts.refreshed(text.read_text()) == text.read_text()


@pytest.mark.parametrize(("file", "name", "complaint"), [
    ("lab1-boot/nowhere.h", "x", "no such file"),
    ("lab1-boot/trap.h", "struct nothing", "is not defined there"),
    ("lab2-paging/paging.c", "walk", "would show a solution"),
])
def test_an_excerpt_that_cannot_be_had_is_named(file: str, name: str, complaint: str) -> None:
    with pytest.raises(Refusal, match=complaint):
        excerpts.excerpt(file, name)


def test_the_examples_in_nasm_assemble(tmp_path: Path) -> None:
    """All of them in one file: they know nothing of each other but the labels."""
    blocks = NASM.findall((ROOT / "book/nasm.md").read_text())
    assert len(blocks) >= 4
    for number, block in enumerate(blocks):
        source = tmp_path / f"{number}.asm"
        source.write_text(f"bits 64\n{block}")
        done = subprocess.run(["nasm", "-f", "elf64", "-o", tmp_path / "out.o", source],
                              text=True, capture_output=True)
        assert done.returncode == 0, done.stderr


def test_the_map_of_files_knows_who_calls_whom() -> None:
    """As the sources of lab 4 have it: by a call in C, from assembly, by %include; and not by a
    word in a comment or a string."""
    uses = filemap.uses(4)
    assert "frames.c" in uses["paging.c"] and "paging.c" not in uses["frames.c"]
    assert "trap.c" in uses["isr.asm"] and "registers.inc" in uses["isr.asm"]
    assert "syscall.c" in uses["syscall_entry.asm"]
    assert filemap.defined(filemap.NOISE["c"].sub(" ", '/* int f(void)\n{ */\nchar *s = "g()";\n'),
                           "c") == {"s"}
