"""What is taken in of another's tree, what is refused and in which words, and that no way leads
from there to the reference's solutions."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from grade import intake
from grade.build import build
from grade.errors import BadSubmission, BuildFailed, CannotGrade
from grade.intake import Submission
from grade.options import Options
from grade.reads import prerequisites
from grade.tree import ROOT

LAB1 = "lab1-boot"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two labs; the second has a link to a file of the first."""
    made = tmp_path / "handed in"
    for name, text in (("lab1-boot/gdt.c", "int gdt;\n"), ("lab1-boot/boot.asm", "nop\n"),
                       ("lab2-paging/main.c", "int main;\n"), ("lab2-paging/README.md", "x")):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    (made / "lab2-paging/gdt.c").symlink_to("../lab1-boot/gdt.c")
    return made


def taken(tree: Path, numbers: tuple[int, ...] = (1, 2)) -> Submission:
    return intake.foreign(tree, numbers, home_of(tree))


def home_of(tree: Path) -> Path:
    """Beside the tree: in a path that make can work with, which a student's need not be."""
    return next(each for each in tree.parents if " " not in str(each)) / "home"


def problems(tree: Path, numbers: tuple[int, ...] = (1, 2)) -> str:
    """What is said of a tree, both of another's and of one's own: the same."""
    with pytest.raises(BadSubmission) as refusal:
        taken(tree, numbers)
    with pytest.raises(BadSubmission) as own:
        intake.own(tree, numbers)
    assert refusal.value.problems == own.value.problems
    assert str(refusal.value).replace("\n", "").isprintable()
    return str(refusal.value)


def test_only_sources_are_taken_in_and_all_else_is_given(tree: Path) -> None:
    (tree / "common/include").mkdir(parents=True)
    (tree / "common/include/panic.h").write_text("#define mine 1\n")
    (tree / "lab1-boot/Makefile").write_text("kernel: ; touch /tmp/owned\n")
    (tree / "lab1-boot/.hidden.c").write_text("x")
    got = taken(tree)
    assert [path.name for path in got.labs.values()] == ["lab1-boot", "lab2-paging"]
    assert sorted(os.listdir(got.labs[1])) == ["boot.asm", "gdt.c"]
    assert os.readlink(got.labs[2] / "gdt.c") == "../lab1-boot/gdt.c"
    assert not got.labs[2].joinpath("README.md").exists()
    given = got.common / "include/panic.h"
    assert given.read_bytes() == (ROOT / "common/include/panic.h").read_bytes()
    assert got.common.parent == got.tree and got.tree.parent == home_of(tree)


def test_the_name_of_a_copy_is_its_content(tree: Path) -> None:
    """So that what one student's build left is never another's: not even with older files."""
    first = taken(tree)
    assert taken(tree).tree == first.tree
    (tree / "lab1-boot/gdt.c").write_text("int gdt_;\n")
    os.utime(tree / "lab1-boot/gdt.c", (0, 0))
    second = taken(tree)
    assert second.tree != first.tree and not (second.tree / "build").exists()
    (tree / "lab1-boot/gdt.c").rename(tree / "lab1-boot/gdt.h")
    (tree / "lab2-paging/gdt.c").unlink()
    assert taken(tree).tree not in (first.tree, second.tree)


def test_a_copy_that_was_changed_is_made_anew(tree: Path) -> None:
    first = taken(tree)
    (first.labs[1] / "more.c").write_text("int more;\n")
    (first.tree / "build").mkdir()
    again = taken(tree)
    assert again.tree == first.tree
    assert not (again.tree / "build").exists() and not (again.labs[1] / "more.c").exists()


def test_copies_that_nobody_works_in_are_tidied_away(tree: Path) -> None:
    held = [taken(tree)]
    for number in range(intake.KEPT + 4):
        (tree / "lab1-boot/gdt.c").write_text(f"int gdt{number};\n")
        new = taken(tree)
        if number % 2:
            held.append(new)
        else:
            os.close(new.lock)
    there = list(home_of(tree).iterdir())
    assert all(each.tree in there for each in held)
    assert len(there) < intake.KEPT + 5
    for each in held:
        os.close(each.lock)


def test_a_lab_that_is_not_there_is_no_problem(tree: Path) -> None:
    (tree / "lab3-usermode").mkdir()
    assert set(taken(tree, (1, 2, 3, 4)).labs) == {1, 2}
    assert set(taken(tree, (2,)).labs) == {2}


@pytest.mark.parametrize("name", [
    "main (copy).c", "gdt - Copy.c", "a$(touch x).c", "a`id`.h", "a;b.asm", "a\nb.c", "ü.c",
    "-x.c", "a:b.inc", "a%.c", "a#b.h", "a\x1b[31m.c", "a\u202eb.c", b"a\xff.c",
])
def test_a_name_that_a_tool_takes_for_its_own(tree: Path, name: str | bytes) -> None:
    path = tree / LAB1 / os.fsdecode(name)
    path.write_text("int x;\n")
    said = problems(tree)
    assert "is not a name that the tools can work with" in said and said.startswith(f"{LAB1}/")


def test_a_lab_with_such_a_name(tree: Path) -> None:
    (tree / "lab1-boot").rename(tree / "lab1-$(touch x)")
    assert "lab1-$(touch x) is not a name" in problems(tree)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        before = os.getcwd()
        os.chdir(path.parent)  # a socket's path has no more than 107 characters
        try:
            made.bind(path.name)
        finally:
            os.chdir(before)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def text(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)
    return write


@pytest.mark.parametrize("name, make, told", [
    ("sub.c", Path.mkdir, "is a directory, and must be a file"),
    ("a.h", make_fifo, "is a pipe"),
    ("a.h", make_socket, "is a socket"),
    ("a.c", link_to("/etc/passwd"), "is a link to /etc/passwd"),
    ("a.c", link_to("../../reference/lab1-boot/a.c"), "is a link"),
    ("a.c", link_to(str(ROOT / LAB1 / "gdt.c")), "is a link"),
    ("a.c", link_to("a.c"), "is a link"),
    ("a.c", link_to("../lab1-boot/a.c"), "in an earlier lab"),
    ("a.c", link_to("../lab2-paging/main.c"), "in an earlier lab"),
    ("a.c", text("int x;\n".encode("utf-16")), "UTF-16"),
    ("a.c", text("int x;\n".encode("utf-16-le")), "bytes that are 0"),
    ("a.asm", text(b"\xef\xbb\xbfnop\n"), "byte order mark"),
    ("a.c", text(b"int x; /* \0 */\n"), "bytes that are 0"),
    ("a.c", text(b"\n" * (intake.LARGEST + 1)), "larger than 256 KiB"),
])
def test_what_is_no_source(tree: Path, name: str, make: Callable[[Path], None], told: str) -> None:
    make(tree / LAB1 / name)
    said = problems(tree)
    assert said.startswith(f"{LAB1}/{name} ") and told in said and "\n" not in said


def test_odd_files_that_do_no_harm(tree: Path) -> None:
    (tree / LAB1 / "gdt.c").write_bytes(b"\xef\xbb\xbfint gdt;\r\n")
    (tree / LAB1 / "notes (old).txt").write_bytes(b"\0")
    (tree / LAB1 / ".#gdt.c").symlink_to("me@here.1234:5")  # an editor is at work
    (tree / LAB1 / "gdt.c~").write_text("int gdt;\n")
    (tree / LAB1 / "loop").symlink_to("loop")
    (tree / "lab1-notes.txt").write_text("x")
    (tree / "loop").symlink_to(".")
    assert sorted(os.listdir(taken(tree).labs[1])) == ["boot.asm", "gdt.c"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(tree: Path) -> None:
    (tree / LAB1 / "gdt.c").chmod(0)
    assert f"{LAB1}/gdt.c cannot be read" in problems(tree)


def test_a_link_that_leads_to_nothing(tree: Path) -> None:
    (tree / LAB1 / "gdt.c").unlink()
    assert "lab2-paging/gdt.c is a link to ../lab1-boot/gdt.c, which is not there" in problems(tree)


def test_symlinks_that_became_text(tree: Path) -> None:
    """As a ZIP leaves them, with and without an end of line. One sentence tells of all."""
    for name, end in (("gdt.c", ""), ("boot.asm", "\n"), ("pte.h", "\r\n")):
        (tree / "lab2-paging" / name).unlink(missing_ok=True)
        (tree / "lab2-paging" / name).write_bytes(f"../lab1-boot/{name}{end}".encode())
    said = problems(tree)
    assert "lab2-paging/boot.asm and 2 more files were symlinks" in said and "\n" not in said


def test_two_directories_of_one_lab(tree: Path) -> None:
    (tree / "lab1-boot-old").mkdir()
    assert "more than one lab 1: lab1-boot and lab1-boot-old" in problems(tree)
    assert set(taken(tree, (2,)).labs) == {2}


@pytest.mark.parametrize("target", [".", "lab2-paging", "/"])
def test_a_lab_that_is_a_link(tree: Path, target: str) -> None:
    (tree / LAB1).rename(tree / "aside")
    (tree / LAB1).symlink_to(target)
    assert "lab1-boot is a link, and must be a directory" in problems(tree, (1,))


def test_a_lab_that_is_a_link_to_the_reference(tree: Path) -> None:
    (tree / "lab3-usermode").symlink_to(ROOT / "lab3-usermode")
    assert "lab3-usermode is a link" in problems(tree, (3,))


@pytest.mark.parametrize("name, told", [
    ("Lab1-boot", "rename it"), ("lab1", "rename it"), ("lab 1 boot", "rename it"),
    ("lab1_boot", "rename it"), ("LAB1.ZIP", "unpack it first"),
])
def test_a_lab_under_another_name(tree: Path, name: str, told: str) -> None:
    (tree / LAB1).rename(tree / ("aside" if "ZIP" in name else name))
    (tree / "lab2-paging/gdt.c").unlink()
    if "ZIP" in name:
        (tree / name).write_bytes(b"PK")
    said = problems(tree)
    assert said.startswith(f"{name} looks like lab 1") and told in said


def test_sources_one_directory_too_deep(tree: Path) -> None:
    (tree / LAB1 / "src").mkdir()
    (tree / LAB1 / "src/a.h").write_text("x")
    assert "lab1-boot/src is a directory with sources" in problems(tree)


def test_too_many_files(tree: Path) -> None:
    for number in range(intake.MOST):
        (tree / LAB1 / f"f{number}.c").write_text("")
    assert f"lab1-boot holds more than {intake.MOST} sources" in problems(tree)


def test_a_tree_without_labs(tree: Path) -> None:
    assert f"FROM={tree}" in problems(tree.parent)  # one directory more around it
    empty = tree.parent / "empty"
    empty.mkdir()
    assert "holds no lab to grade (a directory lab1-…" in problems(empty)
    (empty / "all.zip").write_bytes(b"PK")
    assert "all.zip: unpack it first" in problems(empty)


def test_many_problems_are_counted(tree: Path) -> None:
    for number in range(30):
        (tree / LAB1 / f"a {number}.c").write_text("")
    assert problems(tree).endswith("… and 20 more")


@pytest.mark.parametrize("make, told", [
    (lambda path: path.write_text("x"), "is no directory"),
    (lambda path: path.symlink_to(path.name), "leads nowhere"),
    (lambda path: None, "no such directory"),
])
def test_from_that_names_no_directory(tmp_path: Path, make: Callable[[Path], None],
                                      told: str) -> None:
    make(tmp_path / "x")
    for name in ("x", "x/y") if told == "leads nowhere" else ("x",):
        with pytest.raises(CannotGrade, match=told):
            Options.from_environment({"from": str(tmp_path / name)}).submission


# ---- No way to the solutions: each source of a thief reads the reference's file of its name.

CLIMB = "../" * 40


SOURCES = (".c", ".asm")


def thief(tree: Path, c: str, nasm: str) -> Path:
    """A lab 1 in which every source is one line that reads the reference's file."""
    lab = tree / "thief" / LAB1
    lab.mkdir(parents=True)
    for path in sorted((ROOT / LAB1).iterdir()):
        if path.suffix in SOURCES:
            line = c if path.suffix == ".c" else nasm
            (lab / path.name).write_text(line.replace("FILE", path.name).replace("ROOT", str(ROOT))
                                         + "\n")
    return lab.parent


@pytest.mark.parametrize("c, nasm", [
    ('#include <../../lab1-boot/FILE>', '%include "../../lab1-boot/FILE"'),
    ('#include "../lab1-boot/FILE"', '%include "lab1-boot/FILE"'),
    ('#include "ROOT/lab1-boot/FILE"', '%include "ROOT/lab1-boot/FILE"'),
    (f'#include "{CLIMB}ROOT/lab1-boot/FILE"', f'%include "{CLIMB}ROOT/lab1-boot/FILE"'),
])
def test_nobody_includes_the_reference(tree: Path, c: str, nasm: str) -> None:
    """What leads to the place where the reference would be leads to the thief's own file."""
    got = taken(thief(tree, c, nasm), (1,))
    with pytest.raises((BadSubmission, BuildFailed)) as refusal:
        build(got.labs[1], got.build_dir(1), common=got.common, opt="-O0")
    said = str(refusal.value)
    if "ROOT" in c:
        assert isinstance(refusal.value, BadSubmission) and f"{ROOT}/{LAB1}/" in said
    else:
        assert isinstance(refusal.value, BuildFailed) and re.search(
            r"nest|recursion|too many|unable to open|lab1-boot/\.\./lab1-boot", said), said


FILE = f"{ROOT}/{LAB1}/gdt.c"


THEFTS = {
    "a.asm": f'incbin "{FILE}"',
    "b.asm": f'%include "{ROOT}/common/include/not_written.inc"',
    "c.c": f'__asm__(".incbin \\"{FILE}\\"");',
    "d.c": f'__asm__(".inc" "bin \\"{FILE}\\"");',
    "e.c": f'#define X "{ROOT}/{LAB1}/gdt.h"\n#include X\nint a;',
    "f.c": f'# 1 "g.h" 3\n#include "{ROOT}/{LAB1}/gdt.h"\nint a;',
    "h.h": f'#pragma GCC system_header\n#include "{ROOT}/{LAB1}/gdt.h"',
}


def honest_but(tree: Path, files: dict[str, str], cc: str = "gcc") -> str:
    """Build a lab 1 that is the reference's but for these files. What is said of it."""
    lab = tree / "honest" / LAB1
    lab.mkdir(parents=True)
    for path in (ROOT / LAB1).iterdir():
        if path.suffix in intake.SUFFIXES:
            (lab / path.name).write_bytes(path.read_bytes())
    for name, lines in files.items():
        (lab / name).write_text(lines + "\n")
    got = taken(lab.parent, (1,))
    with pytest.raises(BadSubmission) as refusal:
        build(got.labs[1], got.build_dir(1), cc, "-O0", common=got.common)
    return str(refusal.value)


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_whatever_is_read_is_named(tree: Path, cc: str) -> None:
    said = honest_but(tree, {**THEFTS, "i.c": '#include "h.h"\nint i;'}, cc)
    for name in (*THEFTS, "i.c"):
        assert name == "h.h" or f"{LAB1}/{name} reads {ROOT}/" in said, said


@pytest.mark.parametrize("line", ['#include "/etc/os-release"',
                                  '# 1 "b.c"\n#include "/etc/os-release"'])
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_what_does_not_compile_is_not_quoted(tree: Path, line: str, cc: str) -> None:
    said = honest_but(tree, {"a.c": line}, cc)
    assert "reads /etc/os-release, which is no part of the submission" in said or \
        f"reads {os.path.realpath('/etc/os-release')}, which" in said
    assert "NAME=" not in said and "Debian" not in said


def test_an_odd_name_in_a_list_of_dependencies_is_refused() -> None:
    listed = ("a.o: lab1-boot/a.c \\\n /tmp/$$(id).h /tmp/b\\ c.h /tmp/x;touch\n\nx.h:\n")
    assert list(prerequisites(listed)) == [("a.o", place) for place in (
        "lab1-boot/a.c", "/tmp/$$(id).h", "/tmp/b\\", "c.h", "/tmp/x;touch")]
