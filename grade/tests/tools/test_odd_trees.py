"""Trees, names and environments that are not ours: they work, or are refused in words."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grade import options
from grade.tests.tools.conftest import ROOT, Run

WORKING = "Doe,Jané+1@home^_-"
ODD = "' \"`$&|;:\\<>{}()[]*?!~=%#\t\n\x1b"
EVERY_GOAL = ("setup", "doctor", "run", "kernel", "iso", "grade", "debug", "gdb", "diff", "clean",
              "starter", "bug", "check", "lint", "bench", "help")
Make = Callable[..., Path]


@pytest.fixture
def copy(tmp_path: Path) -> Make:
    """Copy what students have, but for the other labs, to a directory of this name."""
    def make(name: str = "tree", *labs: str) -> Path:
        tree = tmp_path / name
        for part in ("common", "tools", "grade", *(labs or ("lab1-boot",))):
            shutil.copytree(ROOT / part, tree / part, symlinks=True,
                            ignore=shutil.ignore_patterns("__pycache__", "tests", "bugs"))
        shutil.copy(ROOT / "Makefile", tree)
        return tree
    return make


def only_says(lab: Path) -> None:
    """Nothing is to be built: the lab's rules only say what they are asked for."""
    (lab / "Makefile").write_text("iso kernel:\n\t@echo $@ of $(notdir $(CURDIR))\n")


# ---- Paths

def test_a_path_with_a_comma_and_an_umlaut_works(copy: Make, run: Run) -> None:
    tree = copy(WORKING)
    done = run("make", "run", "LAB=1", cwd=tree)
    assert done.returncode == 0 and "Rung lab 1: done" in done.stdout, done.stderr
    done = run("make", "grade", "LAB=1", "TEST=T1.1", "JOBS=1", cwd=tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("character", ODD)
def test_a_path_that_make_cannot_take_is_refused(character: str, tmp_path: Path, run: Run) -> None:
    """By the project's Makefile and by a lab's, in one sentence that says which character it is."""
    tree = tmp_path / f"we{character}ird"
    (tree / "lab1-boot").mkdir(parents=True)
    (tree / "common").mkdir()
    for name in ("Makefile", "lab1-boot/Makefile", "common/lab.mk", "common/tree.mk",
                 "common/symbols.awk"):
        shutil.copy(ROOT / name, tree / name)
    for directory in (tree, tree / "lab1-boot"):
        done = run("make", "iso", cwd=directory)
        assert done.returncode == 2 and done.stdout == "", done.stdout
        shown = ("a blank" if character.isspace() else re.escape(character)
                 if character.isprintable() else "a control character")
        assert re.fullmatch(rf"\S+:\d+: \*\*\* make and the shell cannot work with {shown} in a "
                            r"path; move .*\.  Stop\.\n", done.stderr, re.DOTALL), done.stderr
        assert str(directory) in done.stderr or not character.isprintable()


def test_the_grader_refuses_the_same() -> None:
    printable = {chr(code) for code in range(0x20, 0x7f)} - {"/"}
    assert {character for character in printable if options.ODD.search(character)} \
        == {character for character in ODD if character.isprintable()}
    assert not options.ODD.search(WORKING + "’·æ\u3000")


@pytest.mark.parametrize("goal", EVERY_GOAL)
def test_every_goal_refuses_such_a_path(goal: str, fake_tree: Path, run: Run) -> None:
    for name in ("Makefile", "common/tree.mk", "common/symbols.awk", "tools/authors.mk"):
        shutil.copy(ROOT / name, fake_tree / name)
    tree = fake_tree.rename(fake_tree.parent / "my tree")
    before = sorted(tree.rglob("*"))
    done = run("make", goal, cwd=tree)
    assert done.returncode == 2 and "cannot work with a blank in a path" in done.stderr
    assert sorted(tree.rglob("*")) == before


# ---- What a tree loses on its way

def test_run_bits_are_not_needed(copy: Make, run: Run, tmp_path: Path) -> None:
    """As in a ZIP that Python's zipfile unpacked."""
    tree = copy()
    archive = tmp_path / "tree.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in tree.rglob("*"):
            packed.write(path, path.relative_to(tree))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "unpacked")
    assert not [path for path in (tmp_path / "unpacked").rglob("*")
                if path.is_file() and os.stat(path).st_mode & 0o111]
    for goal in ("setup", "doctor", "run"):
        done = run("make", goal, cwd=tmp_path / "unpacked")
        assert "ermission denied" not in done.stdout + done.stderr
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("end", ["", "\n"])
def test_symlinks_that_became_text_are_named(copy: Make, run: Run, end: str) -> None:
    """As a ZIP, or a git that knows no symlinks, leaves them."""
    tree = copy("tree", "lab1-boot", "lab2-paging")
    links = [path for path in (tree / "lab2-paging").iterdir() if path.is_symlink()]
    for path in links:
        target = os.readlink(path)
        path.unlink()
        path.write_text(target + end)
    for command in (["make", "iso", "LAB=1"], ["make", "starter"], ["make", "run"],
                    ["make", "--no-print-directory", "-C", "lab2-paging"]):
        done = run(*command, cwd=tree)
        assert done.returncode == 2 and done.stdout == ""
        assert re.search(rf"lab2-paging/\S+ is text here and a symlink in a good tree \(one of "
                         rf"{len(links)}\); get the tree with git clone", done.stderr), done.stderr


def with_carriage_returns(*paths: Path) -> None:
    for path in paths:
        if path.is_file() and not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def test_carriage_returns_in_a_lab_do_no_harm(copy: Make, run: Run) -> None:
    """Code, Makefiles, and the headers, in which nasm's constants are: it is the same kernel."""
    kernels = []
    for name in ("unix", "windows"):
        tree = copy(name)
        if name == "windows":
            with_carriage_returns(*tree.glob("lab*/*"), *tree.glob("common/include/*"),
                                  *tree.glob("common/kernel/*"))
        done = run("make", "kernel", cwd=tree)
        assert done.returncode == 0, done.stderr
        kernels.append((tree / "build/lab1-boot/kernel.elf").read_bytes())
    assert kernels[0] == kernels[1]


def test_carriage_returns_in_the_tools_are_told(copy: Make, run: Run) -> None:
    tree = copy()
    with_carriage_returns(*tree.rglob("*"))
    for command in (["make", "iso"], ["make", "setup"], ["make", "doctor"],
                    ["make", "-C", "lab1-boot"]):
        done = run(*command, cwd=tree)
        assert done.returncode == 2 and "end with a carriage return" in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_git_for_windows_gets_lines_as_they_are(run: Run, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    shutil.copy(ROOT / ".gitattributes", origin)
    for name in ("setup", "x.asm", "x.c", "Makefile", "x.patch"):
        (origin / name).write_text("one\ntwo\n")
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "all"]):
        assert run("git", *command, cwd=origin).returncode == 0
    assert run("git", "-c", "core.autocrlf=true", "clone", "-q", origin, tmp_path / "clone"
               ).returncode == 0
    for path in origin.glob("*"):
        assert path.name == ".git" or b"\r" not in (tmp_path / "clone" / path.name).read_bytes()


# ---- Labs

@pytest.mark.parametrize("name", ["lab1-boot-old", "lab1-boot (copy)", "lab1-a"])
def test_two_directories_of_one_lab_are_named(copy: Make, run: Run, name: str) -> None:
    tree = copy("tree", "lab1-boot", "lab2-paging")
    (tree / name).mkdir()
    only_says(tree / "lab2-paging")
    done = run("make", "run", "LAB=1", cwd=tree)
    assert done.returncode == 2
    for part in ("more than one lab 1", f'"{name}/"', '"lab1-boot/"', "Keep one"):
        assert part in done.stderr
    assert run("make", "kernel", "LAB=2", cwd=tree).stdout == "kernel of lab2-paging\n"
    done = run("make", "diff", "LAB=2", cwd=tree)
    assert "more than one lab 1" in done.stderr and name in done.stderr


def test_a_file_called_as_a_lab_is_none(copy: Make, run: Run) -> None:
    tree = copy()
    (tree / "lab1-boot.zip").write_text("packed")
    (tree / "lab9-notes.txt").write_text("notes")
    only_says(tree / "lab1-boot")
    assert run("make", "kernel", cwd=tree).stdout == "kernel of lab1-boot\n"


# ---- Two at a time

def test_two_makes_wait_for_each_other(copy: Make, run: Run) -> None:
    """The lab's rules are replaced by some that tell whether they are alone."""
    tree = copy()
    (tree / "lab1-boot/Makefile").write_text(
        "kernel iso:\n\t@mkdir ../build/alone; sleep 0.3; rmdir ../build/alone\n")
    made = [subprocess.Popen(["make", goal], cwd=tree, stderr=subprocess.PIPE, text=True)
            for goal in ("iso", "kernel", "iso")]
    assert [process.communicate()[1] for process in made] == [""] * 3
    assert [process.returncode for process in made] == [0] * 3


def test_a_make_waits_for_a_grader(copy: Make) -> None:
    """They know each other's lock: the grader's is .lock in the lab's build directory."""
    tree = copy()
    only_says(tree / "lab1-boot")
    (tree / "build/lab1-boot").mkdir(parents=True)
    with (tree / "build/lab1-boot/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(["make", "kernel"], cwd=tree, stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.communicate(timeout=1)
    assert waiting.communicate()[0] == "kernel of lab1-boot\n"


# ---- What cannot be booted

def test_grub_says_on_the_console_what_it_cannot_load(copy: Make, run: Run) -> None:
    tree = copy("tree", "lab1-boot", "lab2-paging", "lab3-usermode")
    (tree / "kernel.elf").write_bytes(os.urandom(20 << 20))
    program = tree / "kernel.elf"
    done = run("make", "run", "LAB=3", "MEM=16M", f"PROGRAM={program}", cwd=tree)
    assert done.returncode == 2
    assert "GRUB cannot load /boot/programs/kernel.elf:" in done.stdout, done.stderr
    assert "error: out of memory" in done.stdout and "Rung" not in done.stdout
    assert "GRUB could not load" in done.stderr

    shutil.copy(tree / "build/lab3-usermode/user/hello-int80.elf", program)
    done = run("make", "run", "LAB=3", "PROGRAM=kern*.elf", f"ARGS={'a ' * 60}b", cwd=tree)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("argument: a") == 60 and "argument: b" in done.stdout
    done = run("make", "run", "LAB=3", f"PROGRAM={program}", f"ARGS={'word ' * 60}", cwd=tree)
    assert "process kernel: cannot be started: too many arguments" in done.stdout

    boot = tree / "lab1-boot/boot.asm"
    broken = boot.read_text().replace("0x100000000 - ", "0x100000001 - ")
    assert broken != boot.read_text()
    boot.write_text(broken)
    done = run("make", "run", "LAB=1", cwd=tree)
    assert done.returncode == 2
    assert "GRUB cannot load /boot/kernel.elf:" in done.stdout
    assert "error: no multiboot header found" in done.stdout


@pytest.mark.parametrize(("programs", "complaint"), [
    ("none.elf", "there is no file none.elf"),
    ("*.elf", "there is no file *.elf"),
    ("two words.elf", "there is no file two"),
    ("common", "common is a directory"),
    ("it's", "make and the shell cannot work with ' in a path"),
    ("a;b", "make and the shell cannot work with ; in a path"),
    ("Makefile lab1-boot/Makefile", "two of these files have one name"),
    ("x/a.elf x/a", "two of these files have one name"),
])
def test_programs_that_cannot_be_brought_are_refused(programs: str, complaint: str, copy: Make,
                                                     run: Run) -> None:
    tree = copy()
    (tree / "x").mkdir()
    for name in ("it's", "a;b", "x/a.elf", "x/a"):
        (tree / name).write_text("")
    done = run("make", "iso", f"PROGRAM={programs}", cwd=tree)
    assert done.returncode == 2 and complaint in done.stderr
    assert not (tree / "build/lab1-boot/kernel.elf").exists()


@pytest.mark.parametrize(("setting", "complaint"), [
    ("OPT=nonsense", "OPT=nonsense is no option of a compiler"),
    ("CFLAGS=-O0", "EXTRA_CFLAGS= adds to it"),
    ("CMDLINE=a;b", "; in ARGS= or CMDLINE="),
    ('ARGS="a b"', '" in ARGS= or CMDLINE='),
])
def test_settings_that_cannot_be_are_refused(setting: str, complaint: str, copy: Make,
                                             run: Run) -> None:
    done = run("make", "iso", setting, cwd=copy())
    assert done.returncode == 2 and complaint in done.stderr


# ---- Somebody else's machine

def test_a_person_s_environment_does_no_harm(copy: Make, run: Run, tmp_path: Path) -> None:
    tree, evil = copy(), tmp_path / "evil"
    evil.mkdir()
    for name in ("re", "tools", "grade", "pytest", "elftools", "socket"):
        (evil / f"{name}.py").write_text("raise SystemExit('evil')\n")
    for name in ("common", "lab1-boot", "tools"):
        (evil / name).mkdir()
    environment = {
        "CFLAGS": "-nonsense", "LDFLAGS": "-nonsense", "ASFLAGS": "-nonsense", "BUILD": "release",
        "CDPATH": f"{evil}", "GREP_OPTIONS": "-v", "PYTHONPATH": f"{evil}", "PYTHONSAFEPATH": "1",
        "PYTHONSTARTUP": f"{evil}/re.py", "PYTHONWARNINGS": "error", "LC_ALL": "tr_TR.UTF-8",
        "LANG": "nonsense", "TERM": "", "COLUMNS": "20", "HOME": "/nonexistent",
        "MAKEFLAGS": "-j2 -k", "PYTEST_ADDOPTS": "--nonsense"}
    umask = os.umask(0o077)
    try:
        for goal in (["doctor"], ["run"], ["grade", "LAB=1", "TEST=T1.1"], ["diff"]):
            done = run("make", *goal, cwd=tree, env=environment)
            assert done.returncode == 0, done.stdout + done.stderr
        done = run("make", "kernel", "CC=env gcc -m64", "EXTRA_CFLAGS=-DX", cwd=tree)
        assert done.returncode == 0, done.stderr
    finally:
        os.umask(umask)


def test_a_full_disk_is_named(copy: Make, run: Run) -> None:
    tree = copy()
    (tree / "build").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "none", tree / "build"],
                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        done = run("make", "run", cwd=tree)
        assert done.returncode == 2 and "exceeds free space" in done.stdout + done.stderr
        subprocess.run(["mount", "-o", "remount,ro", tree / "build"], check=True)
        done = run("make", "run", cwd=tree)
        assert done.returncode == 2 and "Read-only file system" in done.stdout + done.stderr
    finally:
        subprocess.run(["umount", tree / "build"], check=True)


GDBINIT = """\
set architecture i386
set disassemble-next-line nonsense
shell echo asks; read answer
echo chatter\\n
target remote localhost:1
"""


def test_a_person_s_gdbinit_does_no_harm(copy: Make, run: Run, tmp_path: Path) -> None:
    tree = copy()
    assert run("make", "iso", cwd=tree).returncode == 0
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gdbinit").write_text(GDBINIT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "GDBPORT": port, "HOME": str(home)}
    machine = subprocess.Popen([sys.executable, "-m", "tools.run", "--debug", "lab1-boot"],
                               cwd=tree, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    said = subprocess.CompletedProcess[str]([], 1)
    try:
        while said.returncode and machine.poll() is None:  # until QEMU waits
            said = subprocess.run(["sh", "tools/gdb", "lab1-boot"], cwd=tree, env=environment,
                                  input="break kmain\ncontinue\nprint $cs\nkill\nquit\n",
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        machine.send_signal(signal.SIGTERM)
        machine.wait()
    assert "Breakpoint 1, kmain" in said.stdout and "= 8" in said.stdout, said.stdout
    assert "chatter" not in said.stdout and "asks" not in said.stdout
