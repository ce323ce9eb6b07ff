"""The film: what it records is what the machine does, and what a kernel writes stays text."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grade.build import build
from grade.film import against, page
from grade.film.against import BY_SEED
from grade.film.command import Made, make
from grade.film.film import Request
from grade.film.scenes import Scene, of_lab
from grade.film.stage import stage
from grade.lab import Lab
from grade.tests.kernels.grading import SEED, WORK
from grade.tree import ROOT, lab_directory
from tools.bug import BUGS, bug_tree, load_bug

SCHEMA = json.loads((ROOT / "grade/schema/film.schema.json").read_text())
REQUEST = Request("the reference", SEED)
TEXTS = ("title", "about", "tree", "say", "words", "text", "function", "path", "lines", "what",
         "who", "hint", "details", "expected", "name", "file", "tables", "gs", "over", "rights",
         "size")
HOSTILE = "</script><script>alert(1)</script><!--\x1b[31m\u202e&amp;<b>"


def lab(number: int, tree: Path = ROOT) -> Lab:
    directory = lab_directory(tree, number)
    where = WORK / "lines" if tree == ROOT else tree / "build"  # test_lines.py has them, too
    return Lab(tree, directory, build(directory, where / f"lab{number}"), SEED)


def scene(number: int, name: str) -> Scene:
    return next(each for each in of_lab(number) if each.name == name)


def film(number: int, name: str) -> dict[str, Any]:
    """A film of the reference, which must come to its end."""
    made = make(scene(number, name), lab(number), REQUEST)
    assert made.film, made.problem
    assert made.good, made.film["ending"]
    jsonschema.validate(made.film, SCHEMA)
    return made.film


def registers_before(film: dict[str, Any], number: int) -> dict[str, str]:
    state = dict(film["start"])
    for step in film["steps"][:number]:
        state.update(step["set"])
    return state


@pytest.mark.parametrize("number, name", [
    (number, each.name) for number in range(1, 7) for each in of_lab(number)])
def test_every_scene(number: int, name: str) -> None:
    """And the landmarks that students get are today's: write_reference() writes them anew."""
    made = film(number, name)
    if name not in BY_SEED:
        found = against.compare(made)
        assert found == {"equal": len(against.marks(made)), "of": len(against.marks(made))}
    assert all(each["say"] for each in made["steps"]), [
        made["code"][each["at"]] for each in made["steps"] if not each["say"]]
    page.page(made)


def test_landmarks_of_syscall() -> None:
    """Five switches, at five moments, on the way in; and on the way out again."""
    made = film(6, "syscall")
    assert [(each["kind"], each["words"]) for each in made["landmarks"]] == [
        ("ring", "ring 3 → 0"), ("interrupts", "interrupts off"), ("gs", "GS: the kernel's"),
        ("stack", "no stack"), ("tables", "A's own"), ("stack", "kernel stack 0"),
        ("interrupts", "interrupts on"), ("call", "sys_getpid"), ("interrupts", "interrupts off"),
        ("stack", "A's stack"), ("stack", "no stack"), ("tables", "A's shadow"),
        ("stack", "A's stack"), ("gs", "GS: the program's"), ("ring", "ring 0 → 3"),
        ("interrupts", "interrupts on")]


def test_labels_travel() -> None:
    """What the processor pushed on the entry stack is copied to the kernel's, and still known."""
    made = film(6, "int80")
    words = [(write["stack"], write["what"], write["who"]) for step in made["steps"]
             for write in step.get("writes", ())]
    assert ("entry stack", "program's rsp", "CPU") in words
    assert ("kernel stack 0", "program's rsp", "entry_common") in words
    assert ("kernel stack 0", "program's rbx", "isr_from_user") in words
    assert ("kernel stack 0", "program's rax", "isr_from_user") in words  # by percpu.scratch
    back = [step["say"] for step in made["steps"] if step["say"].endswith("the program's again.")]
    assert len(back) >= 12, back


def test_registers_are_those_of_the_machine() -> None:
    """Stopped by a breakpoint at a place, without single steps, the machine is as in the film."""
    made, shot = film(4, "syscall"), scene(4, "syscall")
    number = next(i for i, step in enumerate(made["steps"])
                  if made["code"][step["at"]]["function"] == "sys_getpid")
    with stage(lab(4), shot.programs) as place:
        place.to_program("begin")
        place.m.mask_devices()
        place.to("sys_getpid")
        regs, seen = place.m.regs, registers_before(made, number)
        assert {name: f"{getattr(regs, name):x}" for name in seen} == seen
        stack = [(write["va"], write["value"]) for step in made["steps"][:number]
                 for write in step.get("writes", ()) if write["stack"] == "kernel stack 0"]
        assert len(stack) > 15
        for va, value in stack:
            assert f"{place.m.memory.u64(int(va, 16)):x}" == value


@pytest.mark.parametrize("bug, name, function, words, cause", [
    ("lab1-identity-forgotten", "boot", "enter_long_mode", "triple fault", "the IDT is not loaded"),
    ("lab3-int80-rcx-lost", "int80", "isr_common", "RCX is", ""),
    ("lab6-entry-keeps-shadow", "int80", "entry_common", "#DF double fault",
     "CR3 holds A's shadow, in which kernel stacks is not mapped; in A's own it is"),
    ("lab6-entry-gs-twice", "int80", "entry_leave", "#PF page fault", "GS is the program's"),
])
def test_a_broken_kernel(bug: str, name: str, function: str, words: str, cause: str, tmp_path: Path
                         ) -> None:
    """The film ends at the fault, and says what it is, and what it comes of."""
    number = int(bug[3])
    bug_tree(load_bug(BUGS / f"{bug}.patch"), tmp_path)
    made = make(scene(number, name), lab(number, tmp_path), REQUEST)
    assert made.film and not made.good
    jsonschema.validate(made.film, SCHEMA)
    assert words in made.film["ending"]["words"], made.film["ending"]
    assert cause in made.film["ending"]["hint"]
    at = [step["at"] for step in made.film["steps"] if step.get("fault")]
    assert [made.film["code"][each]["function"].split("+")[0] for each in at] == [function]


def test_a_kernel_that_does_not_come_so_far(tmp_path: Path) -> None:
    """There is no film, and the reason is given."""
    bug_tree(load_bug(BUGS / "lab1-identity-forgotten.patch"), tmp_path)
    made = make(scene(1, "exception"), lab(1, tmp_path), REQUEST)
    assert made.film is None and "triple fault" in made.problem[0]
    assert "triple fault" in page.listing(1, REQUEST, [(made.scene, made.film, made.problem)])


class Markup(HTMLParser):
    """The elements of a page, and what its first script of data holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.data, self._inside = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self._inside = dict(attrs).get("type") == "application/json"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.data += data if self._inside else ""


def hostile(data: Any, key: str = "") -> Any:
    """A film of which every text that can be one is an attack. Numbers and names must be what they
    are: no page is made of others."""
    if isinstance(data, dict):
        return {name: hostile(value, name) for name, value in data.items()}
    if isinstance(data, list):
        return [hostile(each, key) for each in data]
    return data + HOSTILE if isinstance(data, str) and key in TEXTS else data


def test_hostile_text_stays_text() -> None:
    """Whatever a kernel or a tree is called: as many elements, one script, and no control
    character."""
    made = film(4, "syscall")
    good, bad = Markup(page.page(made)), Markup(page.page(hostile(made)))
    assert bad.elements == good.elements and good.elements.count("script") == 2
    assert json.loads(bad.data)["title"] == made["title"] + HOSTILE.replace(
        "\x1b", "\\x1b").replace("\u202e", "\\x202e")
    text = page.page(hostile(made))
    assert not re.search("[\x00-\x09\x0b-\x1f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    listed = page.listing(4, Request(HOSTILE, SEED), [(scene(4, "syscall"), None, [HOSTILE])])
    assert Markup(listed).elements.count("script") == 0 and "\x1b" not in listed


def test_a_source_from_elsewhere_is_not_shown(tmp_path: Path) -> None:
    """A kernel's debug information can name any file."""
    tree = tmp_path / "tree"
    bug_tree(load_bug(BUGS / "lab1-stub-pop-order.patch"), tree)
    boot = tree / "lab1-boot/boot.asm"
    text = boot.read_text().replace("bits 32\n%define CODE_BITS 32\n",
                                    "bits 32\n%define CODE_BITS 32\n%line 1+1 /etc/hostname\n", 1)
    boot.write_text(text)
    made = make(scene(1, "boot"), lab(1, tree), REQUEST)
    assert made.film and "hostname" not in json.dumps(made.film["sources"])


def test_files(tmp_path: Path) -> None:
    """What is written, and that an older film of another kernel does not stay."""
    from grade.film.command import write
    made = make(scene(1, "boot"), lab(1), REQUEST)
    written = write(made, 1, tmp_path)
    assert written == tmp_path / "lab1-boot.html"
    assert json.loads((tmp_path / "lab1-boot.json").read_text()) == made.film
    write(replace(made, film=None, problem=["it does not start"]), 1, tmp_path)
    assert not any(tmp_path.iterdir())
    assert isinstance(made, Made)
    shutil.rmtree(tmp_path)


def test_against_the_reference(tmp_path: Path) -> None:
    """A kernel that takes its stack before its tables: equal up to there, and then both ways."""
    bug_tree(load_bug(BUGS / "lab6-entry-keeps-shadow.patch"), tmp_path)
    made = make(scene(6, "int80"), lab(6, tmp_path), REQUEST).film
    assert made
    found = against.compare(made)
    assert found and found["equal"] == 5
    assert (found["reference"], found["yours"]) == ("A's own", "kernel stack 0")
    assert re.search(r"5 landmarks are equal; then the reference: A's own; yours: kernel stack 0 "
                     r"\(step \d+, entry.asm:\d+\)", against.sentence(found, made))


def write_reference() -> None:
    """What reference.json holds, from films of today: after a change of a door, or of a scene."""
    films = {f"lab{number}-{each.name}": film(number, each.name) for number in range(1, 7)
             for each in of_lab(number) if each.name not in BY_SEED}
    lines = [f"{json.dumps(name)}: {json.dumps([mark[:2] for mark in against.marks(made)])}"
             for name, made in films.items()]
    against.REFERENCE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
