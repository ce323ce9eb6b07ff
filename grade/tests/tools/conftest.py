"""A small tree with two labs, for the tools to work on; and fake commands for them to call."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from grade.tests import HANGING

ROOT = Path(__file__).resolve().parents[3]

Run = Callable[..., subprocess.CompletedProcess[str]]
FakePath = Callable[[Mapping[str, str]], str]
AllBut = Callable[..., str]

SERIAL = """\
/* serial.c: the console. */
#include "serial.h"

/* { solution 1.1 */
static int ready(void)
{
    return 1;
}
/* } solution */

/* Exercise 1.1 (60 points). Write a character. */
void serial_write(char c)
{
    /* { solution 1.1 */
    while (!ready())
        ;
    port = c;
    /* } solution */
}
"""

BOOT = """\
; Exercise 1.2 (40 points). Clear the BSS.
start:
        ; { solution 1.2
        xor     eax, eax
        rep stosd
        ; } solution
        jmp     kmain
"""

PAGING = """\
/* Exercise 2.1 (100 points). Walk. */
int *walk(void)
{
\t/* { solution 2.1 */
\treturn 0;
\t/* } solution */
}
"""


@pytest.fixture
def fake_tree(tmp_path: Path) -> Path:
    """Labs 1 and 2; lab 2 takes serial.c over from lab 1, changes main.c and adds paging.c."""
    root = tmp_path / "tree"
    texts = {
        "Makefile": "all:\n", "common/lab.mk": "# rules\n", "tools/starter.py": "",
        "grade/__main__.py": "", "grade/test_lab1_boot.py": "", "grade/test_lab2_paging.py": "",
        "grade/tests/test_it.py": "", "grade/bugs/x.patch": "", "build/old.o": "",
        "lab1-boot/README.md": "chapter 1\n", "lab1-boot/serial.c": SERIAL,
        "lab1-boot/boot.asm": BOOT, "lab1-boot/main.c": "int a;\nint b;\n",
        "lab2-paging/README.md": "chapter 2\n", "lab2-paging/paging.c": PAGING,
        "lab2-paging/main.c": "int a;\nint c;\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("serial.c", "boot.asm"):
        (root / "lab2-paging" / name).symlink_to(f"../lab1-boot/{name}")
    return root


@pytest.fixture
def run() -> Run:
    """Run a command as a person would, outside the make that runs these tests."""
    def call(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] = {},
             ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items()
                     if name not in ("MAKEFLAGS", "MAKELEVEL", "LAB", "TEST", "BUG")}
        return subprocess.run(command, cwd=cwd, env={**inherited, **env}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=HANGING)
    return call


@pytest.fixture
def fake_path(tmp_path: Path) -> FakePath:
    """Make a PATH of shell scripts, and of the few real commands that every system has."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sh", "awk", "sed", "grep", "sort", "head", "tail", "dirname", "cat", "uname",
                 "env"):
        real = shutil.which(name)
        assert real is not None
        (directory / name).symlink_to(real)

    def make(scripts: Mapping[str, str]) -> str:
        for name, body in scripts.items():
            (directory / name).unlink(missing_ok=True)  # not through a link, into the system's own
            (directory / name).write_text(f"#!/bin/sh\n{body}\n")
            (directory / name).chmod(0o755)
        return str(directory)
    return make


@pytest.fixture
def all_but(tmp_path: Path) -> AllBut:
    """A PATH with every command of this machine but some, and with others beside them."""
    def make(scripts: Mapping[str, str], *lacking: str) -> str:
        places = [Path(place) for place in os.environ["PATH"].split(":")]
        directory = tmp_path / "all-but"
        directory.mkdir()
        for place in [Path("/usr/bin"), Path("/usr/sbin"), *places]:
            for file in place.iterdir() if place.is_dir() else []:
                if file.name not in lacking and not (directory / file.name).exists():
                    (directory / file.name).symlink_to(file)
        for name, body in scripts.items():
            (directory / name).unlink(missing_ok=True)
            (directory / name).write_text(f"#!/bin/sh\n{body}\n")
            (directory / name).chmod(0o755)
        return str(directory)
    return make
