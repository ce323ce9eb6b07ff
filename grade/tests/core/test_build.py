"""What is shown of a build that failed, and whose fault it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grade import build as building
from grade.build import (build, clean_environment, explain_failure, first_errors,
                         locked, supervised, try_compiler)
from grade.errors import BuildFailed, CannotGrade, MissingTool
from grade.tests.core.test_pool import PATIENCE, SLEEP, gone, wait_for

GCC = """\
make: Entering directory '/t/lab1-boot'
gdt.c: In function 'init_gdt':
gdt.c:10:5: warning: unused variable 'a' [-Wunused-variable]
   10 |     int a;
gdt.c:12:5: error: 'b' undeclared (first use in this function)
   12 |     b = 1;
      |     ^
make: *** [lab.mk:60: gdt.c.o] Error 1
make: Leaving directory '/t/lab1-boot'
"""


def test_the_first_error_comes_first() -> None:
    lines = first_errors(GCC)
    assert lines[0].startswith("gdt.c:12:5: error:")
    assert not any("directory" in line for line in lines)


def test_many_errors_are_cut_and_counted() -> None:
    lines = first_errors("".join(f"a.c:{n}:1: error: no\n" for n in range(100)))
    assert len(lines) == 15 and lines[-1] == "… and 86 more errors"


@pytest.fixture
def nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("output", [
    "/bin/sh: 1: nasm: not found\nmake: *** [x] Error 127\n",
    "bash: line 1: nasm: command not found\n",
    "make[1]: nasm: No such file or directory\n",
])
def test_a_tool_that_make_misses(output: str, nothing_on_path: None) -> None:
    with pytest.raises(MissingTool, match="nasm"):
        explain_failure(output)


@pytest.mark.parametrize("output", [
    'a.c:1:2: error: #error a: frobnicator: not found\n',
    'a.c:1:2: error: #error /bin/sh: 1: nasm: not found\n',
    'a.c:1:2: error: #error No space left on device\n',
    'a.c:1:2: error: #error internal compiler error\n',
    "a.asm:1: error: (%error) Killed\n    1 | #error No space left on device\n",
    "/bin/sh: 1: frobnicator: not found\n",
    "a.asm:1: error: unable to open include file `a.asm': Too many open files\n",
])
def test_what_a_student_writes_is_no_fault_of_the_machine(output: str) -> None:
    with pytest.raises(BuildFailed):
        explain_failure(output)


@pytest.mark.parametrize("output", [
    "fatal error: error writing to /tmp/cc.s: No space left on device\n",
    "ld: final link failed: No space left on device\n",
    "make: fork: Resource temporarily unavailable\n",
    "a.c:3:1: internal compiler error: Segmentation fault\n",
    "gcc: fatal error: Killed signal terminated program cc1\n",
    "gcc: fatal error: cannot execute 'cc1': execvp: No such file or directory\n",
    "clang: error: unable to execute command: Killed\n",
    "nasm: error while loading shared libraries: libx.so: cannot open shared object file\n",
    "Segmentation fault (core dumped)\nmake: *** [x] Error 139\n",
])
def test_a_fault_of_the_machine_is_none_of_the_student(output: str) -> None:
    with pytest.raises(CannotGrade):
        explain_failure(output)


def test_a_missing_include_is_no_missing_tool() -> None:
    with pytest.raises(BuildFailed):
        explain_failure("a.c:1:10: fatal error: b.h: No such file or directory\n")


def test_silence_is_said_too() -> None:
    with pytest.raises(BuildFailed, match="said nothing"):
        explain_failure("")


def test_make_must_make_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules.mk"
    rules.write_text(".PHONY: kernel probe\nkernel probe:\n\t@true\n")
    monkeypatch.setenv("RUNG_RULES", str(rules))
    with pytest.raises(BuildFailed, match="made no kernel.elf"):
        build(tmp_path, tmp_path / "build")


def test_a_line_of_a_compiler_has_an_end() -> None:
    [line, *_] = first_errors(f"a.c:1:2: error: #error {'x' * 3_000_000}\n")
    assert len(line) < 1000


# ---- Bounds. Each command here would go on for much longer than anybody waits.

def test_what_make_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands still, as a compiler does that reads a pipe; so do those that it has started."""
    monkeypatch.setattr(building, "STANDSTILL", 2.0)
    note = tmp_path / "pids"
    script = f"sleep {SLEEP} & echo $! >{note}.new; mv {note}.new {note}; sh -c 'sleep {SLEEP}; :'"
    with pytest.raises(CannotGrade, match="stood still"):
        supervised(["sh", "-c", script])
    assert gone(int(note.read_text()))


def test_a_build_that_works_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time counts, and of all processes together."""
    monkeypatch.setattr(building, "CPU_LIMIT", 2)
    with pytest.raises(BuildFailed, match="2 seconds of processor time"):
        supervised(["sh", "-c", "while :; do sh -c 'for i in 1 2 3 4 5 6 7; do :; done'; done"])


def test_one_process_that_works_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "PROCESS_CPU", 1)
    status, _ = supervised(["sh", "-c", "while :; do :; done"])
    assert status == -24  # SIGXCPU


def test_messages_without_end_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "OUTPUT_LIMIT", 3 << 20)
    with pytest.raises(BuildFailed, match="more than 3 MiB"):
        supervised(["sh", "-c", "yes a.c:1:2: warning: no"])


@pytest.mark.parametrize("lines", [10, 200_000, 500_000])
def test_of_many_messages_the_first_and_the_last_are_kept(lines: int) -> None:
    status, output = supervised(["sh", "-c", f"seq {lines}; exit 3"])
    said = output.split()
    assert status == 3 and said[0] == "1" and said[-1] == str(lines)
    assert len(said) == lines or len(output) > 2 << 20


@pytest.mark.parametrize("command, why", [
    ("x = bytearray(1 << 33)", "MemoryError"),
    ("open('big', 'wb').truncate(1 << 29)", "File too large"),
])
def test_memory_and_files_are_bounded(command: str, why: str, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = supervised([sys.executable, "-c", command])
    assert status != 0 and why in output


def test_a_build_ends_with_the_grader(tmp_path: Path) -> None:
    """Also if that is killed outright."""
    note = tmp_path / "pid"
    script = f"from grade.build import supervised; supervised(['sh', '-c', " \
             f"'echo $$ >{note}.new; mv {note}.new {note}; exec sleep {SLEEP}'])"
    grader = subprocess.Popen([sys.executable, "-c", script], cwd=building.ROOT)
    try:
        child = int(wait_for(note))
    finally:
        grader.kill()
        grader.wait(PATIENCE)
    assert gone(child)


def test_a_lock_writes_nothing_and_follows_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("much work")
    (tmp_path / ".lock").symlink_to(precious)
    with pytest.raises(OSError):
        with locked(tmp_path / ".lock"):
            pass
    with locked(precious):
        pass
    assert precious.read_text() == "much work"


# ---- What is asked for.

@pytest.mark.parametrize("cc", ["gcc -m64", "env gcc", "clang"])
def test_a_compiler_may_have_several_words(cc: str) -> None:
    try_compiler(cc, "-O1 -DX=1")


@pytest.mark.parametrize("cc, opt, told", [
    ("gcc", "nonsense", "OPT=nonsense"), ("gcc", "-Ononsense", "OPT=-Ononsense"),
    ("gcc", "-O2;true", "holds ;"), ("gcc", "-fsyntax-only", "OPT="), ("gcc $(id)", "-O2", "CC="),
    ("false", "-O2", "CC=false cannot compile"), ("gcc -mno-such", "-O2", "cannot compile"),
])
def test_what_no_compiler_knows_is_the_fault_of_who_asks(cc: str, opt: str, told: str) -> None:
    with pytest.raises(CannotGrade) as refusal:
        try_compiler(cc, opt)
    assert told in str(refusal.value)


def test_the_environment_gives_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = ("MAKEFLAGS", "CFLAGS", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX",
              "NASMENV", "LD_LIBRARY_PATH", "LD_PRELOAD", "COMPILER_PATH", "LAB", "OPT", "LANG",
              "DEPENDENCIES_OUTPUT", "SOURCE_DATE_EPOCH", "ENV", "BASH_ENV", "LANGUAGE")
    for name in orders:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    kept = clean_environment()
    assert not set(orders) & set(kept) and kept["LC_ALL"] == "C" and kept["PATH"]
