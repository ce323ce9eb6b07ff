"""make setup and make doctor, on machines that lack this or that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grade.tests.tools.conftest import FakePath, Run

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


@pytest.mark.parametrize(("system", "command"), [
    ("fedora", "sudo dnf install git "),
    ("arch", "sudo pacman -S --needed git "),
    ("homebrew", "brew install git "),
])
def test_elsewhere_names_are_printed(system: str, command: str, run: Run,
                                     fake_path: FakePath) -> None:
    done = run(SETUP, env={"PATH": fake_path({}), "RUNG_DISTRIBUTION": system})
    assert done.returncode == 1
    assert command in done.stdout and "nasm" in done.stdout and ".devcontainer/" in done.stdout
    assert " - " not in done.stdout


def test_the_list_has_a_name_for_each_distribution() -> None:
    for line in (ROOT / "tools/packages").read_text().splitlines():
        if line and not line.startswith("#"):
            assert len(line.split()) == 4, line


def test_the_doctor_finds_everything_here(run: Run) -> None:
    done = run(DOCTOR)
    assert done.returncode == 0, done.stdout
    assert "qemu-system-x86_64" in done.stdout and "missing" not in done.stdout


def test_the_doctor_names_what_is_missing_or_old(run: Run, fake_path: FakePath) -> None:
    path = fake_path({"qemu-system-x86_64": "echo QEMU emulator version 6.2.0",
                      "nasm": "echo NASM version 2.16.01"})
    done = run(DOCTOR, env={"PATH": path, "RUNG_DISTRIBUTION": "debian"})
    assert done.returncode == 1
    rows = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()
            if line.startswith(("ok ", "old ", "missing "))}
    assert rows["qemu-system-x86_64"] == "old"
    assert rows["nasm"] == "ok"
    assert rows["gdb"] == "missing"
    assert done.stdout.rstrip().endswith("make setup")


@pytest.mark.parametrize(("gcc", "complaint"), [
    ('case $1 in -dumpmachine) echo aarch64-linux-gnu;; *) echo 12.2.0;; esac', "no x86-64 code"),
    ('case $1 in -print-*) echo libasan.so;; *) echo 12.2.0;; esac', "without its sanitizers"),
])
def test_the_doctor_knows_bad_pairs(gcc: str, complaint: str, run: Run,
                                    fake_path: FakePath) -> None:
    assert complaint in run(DOCTOR, env={"PATH": fake_path({"gcc": gcc})}).stdout


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
    assert "tools/packages tools/setup" in dockerfile and "apt-get install" not in dockerfile


def test_tools_are_executable() -> None:
    for path in (SETUP, DOCTOR, PYTHON, ROOT / "tools/lint", ROOT / "tools/gdb", ROOT / ".ci/run"):
        assert shutil.which(path), path
