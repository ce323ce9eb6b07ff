"""make setup and make doctor, on machines that lack this or that."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grade.tests.tools.conftest import AllBut, FakePath, Run

ROOT = Path(__file__).resolve().parents[3]
SETUP, DOCTOR, PYTHON = ROOT / "tools/setup", ROOT / "tools/doctor", ROOT / "tools/python"


# Everything is installed but the packages of $LACKING.
DPKG = """shift 3
for package; do case " $LACKING " in *" $package "*) ;; *) echo "$package installed";; esac; done"""
APT = 'echo "apt-get $DEBIAN_FRONTEND $*"'


def environment(path: str, **more: str) -> dict[str, str]:
    return {"PATH": path, "RUNG_DISTRIBUTION": "debian", **more}


def test_nothing_to_do(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": "exit 9"})
    done = run(SETUP, env=environment(path, LACKING=""))
    assert done.returncode == 0 and "nothing to do" in done.stdout


def test_root_installs_what_is_missing(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": APT, "id": "echo 0"})
    done = run(SETUP, env=environment(path, LACKING="nasm gdb"))
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "setup: 2 packages are missing: nasm gdb"
    assert said[2].endswith("-q update")
    assert said[3].startswith("apt-get noninteractive -q -y")
    assert said[3].endswith("install --no-install-recommends nasm gdb")


def test_others_go_through_sudo_and_are_told_before(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": APT, "id": "echo 1000",
                      "sudo": 'echo "sudo $*"; exec "$@"'})
    said = run(SETUP, env=environment(path, LACKING="nasm")).stdout
    assert said.index("through sudo") < said.index("sudo apt-get")


def test_without_root_and_sudo_the_command_is_printed(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": APT, "id": "echo 1000"})
    done = run(SETUP, env=environment(path, LACKING="nasm"))
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends nasm" in done.stderr


def test_a_failure_of_apt_ends_in_a_sentence(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": "exit 100", "id": "echo 0"})
    done = run(SETUP, env=environment(path, LACKING="nasm"))
    assert done.returncode == 1
    assert "Is there a network?" in done.stderr


def test_students_are_not_asked_for_what_authors_need(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": APT, "id": "echo 0"})
    lacking = environment(path, LACKING="cppcheck debootstrap furo nasm")
    assert run(SETUP, "--missing", env=lacking).stdout.split() == ["nasm"]
    assert run(SETUP, "--missing", "book", env=lacking).stdout.split() == ["nasm", "furo"]
    assert run(SETUP, "--missing", "authors", env=lacking).stdout.split() == \
        ["nasm", "furo", "debootstrap", "cppcheck"]


def test_the_goals_say_whose_tools_are_meant(run: Run, fake_tree: Path) -> None:
    for name in ("Makefile", "tools/authors.mk", "common/tree.mk"):
        shutil.copy(ROOT / name, fake_tree / name)
    for name in ("setup", "doctor"):
        (fake_tree / "tools" / name).write_text(f'echo "{name} for $*"; exit 1\n')

    def role(*goals: str) -> str:
        done = run("make", *goals, cwd=fake_tree)
        return done.stdout.strip() or done.stderr
    assert role("setup") == role("setup", "run") == "setup for students"
    assert role("setup", "grade", "LAB=2") == "setup for students"
    for goals in (["check"], ["lint"], ["grade", "bench"], ["platforms"], ["bug", "BUG=x"],
                  ["starter"]):
        assert role("setup", *goals) == "setup for authors", goals
    assert role("setup", "book") == "setup for book"
    assert role("setup", "class", "DIR=x") == "setup for class"
    assert role("setup", "class", "check", "DIR=x") == "setup for authors"
    assert role("setup", "book", "check") == "setup for authors"
    assert role("doctor") == "doctor for students"
    assert role("doctor", "check") == "doctor for authors"
    (fake_tree / "tools/authors.mk").unlink()
    assert role("setup", "check") == "setup for students"
    assert role("setup", "book") == "setup for book"


def test_every_library_in_use_is_in_the_list_and_no_other() -> None:
    """What students' code imports is the students'; what only tests import is the authors'."""
    def imports(files: list[Path]) -> set[str]:
        found = set()
        for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
        return found - set(sys.stdlib_module_names) - {"grade", "tools", "gdb"}

    def listed(role: str) -> set[str]:
        names = re.findall(r"^python3-(\S+)", packages(role), re.M)
        return {{"pyelftools": "elftools"}.get(name, name) for name in names}

    every = [path for top in ("grade", "tools") for path in (ROOT / top).rglob("*.py")]
    students = [path for path in every if not path.is_relative_to(ROOT / "grade/tests")]
    assert listed("students") == imports(students)
    book = {"sphinx", "myst-parser"}  # programs: python -m sphinx
    assert listed("book") - book == imports(students)
    xdist = {"pytest-xdist"}  # pytest's -n
    assert listed("authors") - xdist - book == imports(every)


def packages(role: str) -> str:
    """The list for Debian."""
    return subprocess.run([SETUP, "--list", role], text=True, capture_output=True, check=True,
                          env={**os.environ, "RUNG_DISTRIBUTION": "debian",
                               "CROSS": ""}).stdout


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_another_machine_has_its_own_names(machine: str, run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": APT, "id": "echo 0",
                      "uname": f"echo {machine}", "dpkg": 'echo "dpkg $*"'})
    done = run(SETUP, "authors", env=environment(
        path, LACKING="gcc gcc-x86-64-linux-gnu grub-pc-bin grub-pc-bin:amd64"))
    said = done.stdout.splitlines()
    if machine == "x86_64":
        assert said[0] == "setup: 2 packages are missing: gcc grub-pc-bin"
        assert "add-architecture" not in done.stdout
    else:
        # gcc is for programs of this machine's own, and comes with the authors' part.
        assert said[0].endswith(": gcc-x86-64-linux-gnu grub-pc-bin:amd64 gcc")
        told = "setup: So that apt-get knows of these: dpkg --add-architecture amd64"
        assert said.index(told) < said.index("dpkg --add-architecture amd64")
        assert said.index("dpkg --add-architecture amd64") < [
            number for number, line in enumerate(said) if line.endswith("-q update")][0]


def test_a_known_architecture_is_not_added_again(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"dpkg-query": DPKG, "apt-get": APT, "id": "echo 1000",
                      "uname": "echo aarch64", "dpkg": "echo amd64"})
    done = run(SETUP, env=environment(path, LACKING="grub-pc-bin:amd64"))
    assert "apt-get update && apt-get install --no-install-recommends grub-pc-bin:amd64" \
        in done.stderr and "add-architecture" not in done.stderr + done.stdout


@pytest.mark.parametrize(("system", "command"), [
    ("fedora", "sudo dnf install make "),
    ("arch", "sudo pacman -S --needed make "),
])
def test_elsewhere_names_are_printed(system: str, command: str, run: Run,
                                     fake_path: FakePath) -> None:
    done = run(SETUP, env={"PATH": fake_path({}), "RUNG_DISTRIBUTION": system})
    assert done.returncode == 1
    assert command in done.stdout and "nasm" in done.stdout and ".devcontainer/" in done.stdout
    assert " - " not in done.stdout and "|" not in done.stdout


def test_the_list_has_a_name_for_each_distribution() -> None:
    for line in (ROOT / "tools/packages").read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            assert len(line.split()) == 3, line


def test_the_doctor_finds_everything_here(run: Run) -> None:
    done = run(DOCTOR, "authors")
    assert done.returncode == 0, done.stdout
    assert "qemu-system-x86_64" in done.stdout and "missing" not in done.stdout


def test_the_doctor_names_what_is_missing_old_or_broken(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"qemu-system-x86_64": "echo QEMU emulator version 6.2.0",
                      "nasm": "echo NASM version 2.16.01",
                      "xorriso": "echo libburn.so.4: cannot open shared object file >&2; exit 127",
                      "mformat": "echo hello"})
    done = run(DOCTOR, env={"PATH": path, "RUNG_DISTRIBUTION": "debian"})
    assert done.returncode == 1
    rows = marks(done.stdout)
    assert rows["qemu-system-x86_64"] == "old"
    assert rows["nasm"] == "ok"
    assert rows["gdb"] == "missing"
    assert rows["xorriso"] == "broken" and "cannot open shared object file" in done.stdout
    assert rows["mformat"] == "broken"
    assert "need attention. This installs what is missing: make setup\n" in done.stdout


def marks(said: str) -> dict[str, str]:
    """The doctor's rows: the name of a tool, and what it says of it."""
    return {line.split()[1].rstrip(","): line.split()[0] for line in said.splitlines()
            if line.startswith(("ok ", "old ", "missing ", "bad ", "broken "))}


def test_the_doctor_tells_students_from_authors(run: Run, all_but: AllBut) -> None:
    environment = {"PATH": all_but({}, "cppcheck"), "RUNG_DISTRIBUTION": "debian"}
    student = run(DOCTOR, env=environment)
    assert marks(student.stdout)["cppcheck"] == "missing" and student.returncode == 0
    assert student.stdout.endswith("lack 1 of these. This installs what is missing: "
                                   "make setup check\n")
    author = run(DOCTOR, "authors", env=environment)
    assert marks(author.stdout)["cppcheck"] == "missing" and author.returncode == 1


def test_students_trees_hear_nothing_of_authors(run: Run, tmp_path: Path) -> None:
    for name in ("doctor", "cross", "versions", "python", "setup", "packages"):
        (tmp_path / name).write_bytes((ROOT / "tools" / name).read_bytes())
        (tmp_path / name).chmod(0o755)
    done = run(tmp_path / "doctor")
    assert done.returncode == 0 and "uthor" not in done.stdout and "cppcheck" not in done.stdout


def test_every_oldest_version_is_asked_for(run: Run) -> None:
    """A name in tools/versions that the doctor does not know would be a minimum for nobody, and
    a tool without one would be good enough at any age."""
    text = DOCTOR.read_text()
    listed = set(re.findall(r"^(?!#)(\S+) +\S", (ROOT / "tools/versions").read_text(), re.M))
    asked = set(re.findall(r"^    tool (\S+) ", text, re.M))
    asked |= {name for line in re.findall(r"^    libraries (.*)", text, re.M)
              for name in line.split()}
    assert asked == listed


@pytest.mark.parametrize(("gcc", "complaint"), [
    ('case $1 in -dumpmachine) echo aarch64-linux-gnu;; *) echo 12.2.0;; esac', "no x86-64 code"),
    ('case $1 in -print-*) echo libasan.so;; *) echo 12.2.0;; esac', "with its sanitizers"),
])
def test_the_doctor_knows_bad_pairs(gcc: str, complaint: str, run: Run,
                                    fake_path: FakePath) -> None:
    assert complaint in run(DOCTOR, "authors", env={"PATH": fake_path({"gcc": gcc})}).stdout


@pytest.mark.parametrize(("name", "version"), [
    ("pytest", "6.2.5"), ("pyelftools", "0.27"), ("rich", "10.16"), ("pytest", "")])
def test_libraries_that_are_too_old_are_refused_in_words(name: str, version: str, run: Run,
                                                         tmp_path: Path) -> None:
    """By whatever runs the grader; the oldest good ones are taken."""
    oldest = dict(re.findall(r"^(\w+) +(\S+)$", (ROOT / "tools/versions").read_text(), re.M))
    for library, good in ((each, oldest[each]) for each in ("pytest", "pyelftools", "rich")):
        seen = version if library == name else good
        if seen:
            directory = tmp_path / f"{library}-{seen}.dist-info"
            directory.mkdir()
            (directory / "METADATA").write_text(f"Name: {library}\nVersion: {seen}\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "versions").write_bytes((ROOT / "tools/versions").read_bytes())
    text = PYTHON.read_text().replace("/usr/bin $PATH", "$PATH")
    (tools / "python").write_text(text)
    (tools / "python").chmod(0o755)
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "python3").write_text(
        f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec {sys.executable} -S "$@"\n')
    (bin / "python3").chmod(0o755)
    for command in ("sh", "dirname", "env"):
        (bin / command).symlink_to(shutil.which(command) or "")
    only = {"PATH": str(bin), "RUNG_PYTHON": "", "PYTHONPATH": ""}
    done = run(tools / "python", "-c", "print('runs')", env=only)
    assert done.returncode == 127 and "make setup" in done.stderr and done.stdout == ""
    said = (f"its {name} is {version}, and {oldest[name]} or newer is needed" if version
            else f"it has no {name}")
    assert said in done.stderr and done.stderr.count("    it") == 1
    if version:
        metadata = tmp_path / f"{name}-{version}.dist-info" / "METADATA"
        metadata.write_text(f"Name: {name}\nVersion: {oldest[name]}\n")
        assert run(tools / "python", "-c", "print('runs')", env=only).stdout == "runs\n"


def test_python_is_one_with_the_libraries(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"python3": "exit 1"})
    done = run(PYTHON, "-c", "import pytest, sys; print(sys.executable)",
               env={"PATH": path, "RUNG_PYTHON": ""})
    assert done.stdout.strip() == "/usr/bin/python3", done.stderr


def test_what_python_caches_lies_in_build(run: Run) -> None:
    done = run(PYTHON, "-c", "import sys; print(sys.pycache_prefix)")
    assert done.stdout.strip() == str(ROOT / "build/python")


def test_the_container_uses_the_same_list() -> None:
    dockerfile = (ROOT / ".devcontainer/Dockerfile").read_text()
    assert "tools/packages tools/setup tools/cross" in dockerfile
    assert "apt-get install" not in dockerfile


def test_tools_are_executable() -> None:
    for path in (SETUP, DOCTOR, PYTHON, ROOT / "tools/lint", ROOT / "tools/gdb", ROOT / ".ci/run"):
        assert shutil.which(path), path
