"""The kernel's pure C parts, compiled for this machine: tested and fuzzed under ASan and UBSan.

Each test program includes the kernel sources that it tests. A program runs for every lab in which
one of these is a real file and no symlink, so that a source changed by a later lab is tested too.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
COMMON = [ROOT / "common/include", ROOT / "common/kernel"]
LABS = sorted(ROOT.glob("lab[1-9]-*"))
PROGRAMS = sorted([*HERE.glob("test_*.c"), *HERE.glob("fuzz_*.c")])

FLAGS = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter",
         "-Wno-unused-result", "-fno-builtin", "-fno-strict-aliasing", "-fsigned-char",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def includes(program: Path) -> list[str]:
    """The names that a program includes in quotes."""
    return re.findall(r'^#include "(.+?)"', program.read_text(), re.M)


def belongs_to(lab: Path, program: Path) -> bool:
    """Does the lab have all that the program includes, and bring some of it itself?"""
    names = [name for name in includes(program)
             if not any((place / name).exists() for place in [HERE, *COMMON])]
    found = [lab / name for name in names if (lab / name).exists()]
    if not names:  # nothing but common/: once is enough
        return lab == LABS[0]
    return len(found) == len(names) and not all(file.is_symlink() for file in found)


CASES = [pytest.param(lab, program, id=f"{lab.name}-{program.stem}")
         for program in PROGRAMS for lab in LABS if belongs_to(lab, program)]


def build(lab: Path, program: Path) -> Path:
    """Compile a program against a lab. Only quoted includes find the kernel's headers."""
    binary = ROOT / "build/host" / lab.name / program.stem
    binary.parent.mkdir(parents=True, exist_ok=True)
    places = [HERE, HERE / "shadow", lab, *COMMON]
    done = subprocess.run(
        ["gcc", *FLAGS, *(word for place in places for word in ("-iquote", str(place))),
         str(program), "-o", str(binary)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stderr == "", f"gcc said:\n{done.stderr}"
    return binary


@pytest.mark.parametrize(("lab", "program"), CASES)
def test_program(lab: Path, program: Path) -> None:
    if platform.machine() != "x86_64" and "<asm/processor-flags.h>" in program.read_text():
        pytest.skip("it compares ours with Linux's own headers for x86-64")
    # Leaks are the programs' own, and looking for them needs rights that containers may lack.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0",
                   "UBSAN_OPTIONS": "print_stacktrace=1"}
    done = subprocess.run([str(build(lab, program))], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=100)
    assert done.returncode == 0, f"{program.name} for {lab.name}:\n{done.stdout}{done.stderr}"


def test_every_program_belongs_to_a_lab() -> None:
    covered = {case.values[1] for case in CASES}
    assert [program.name for program in PROGRAMS if program not in covered] == []
