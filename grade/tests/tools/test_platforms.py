"""make platforms: what it learns of a release, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from tools import platforms
from tools.platforms import CannotTry, Platform, Root, Step

DOCTOR = """ok     gcc                        14.2.0
ok     qemu-system-x86_64         10.0.8
old    gdb                        9.1          10 or newer is needed
ok     /usr/bin/python3           3.13.5
ok       pytest                   8.3.5
missing nasm                      -            2.15 or newer is needed
"""
CHECKED = """lint: mypy
..F.E
FAILED grade/tests/core/test_run.py::test_one - assert 1 == 2
ERROR grade/tests/core/test_run.py::test_two
1 failed, 1063 passed, 2 skipped, 1 error in 612.33s (0:10:12)
"""
GOOD = {"make doctor": (0, DOCTOR), "make grade LAB=1": (0, "lab1-boot 100/100"),
        "make grade": (0, ""), "make setup check": (0, "1066 passed in 600.00s (0:10:00)\n")}


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A release, on which nothing has been done yet."""
    monkeypatch.setattr(platforms, "HERE", tmp_path / "here")
    return Platform("trixie")


def go(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, score: int = 600,
       **said: tuple[int, str]) -> Platform:
    """All steps on a root that says what it is told to."""
    answers = {**GOOD, **{name.replace("_", " "): answer for name, answer in said.items()}}
    root = tmp_path / platform.release
    (root / "etc").mkdir(parents=True)
    (root / "etc/debian_version").write_text("13\n")
    results = root / platforms.TREE[1:] / "build/grade/results.json"
    results.parent.mkdir(parents=True)
    results.write_text(json.dumps({"score": score, "maximum": 600}))

    def shell(self: Root, command: str, as_root: bool = False) -> tuple[int, str]:
        assert as_root == command.startswith(("sh tools/setup", "make setup")) or not as_root
        return answers.get(command, (0, ""))
    monkeypatch.setattr(Root, "shell", shell)
    monkeypatch.setattr(platforms, "prepared", lambda release, roots, mirror, log: Root(root, log))
    return platforms.attempt(platform.release, tmp_path, "nowhere")


def test_a_good_release(tried: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = go(tried, monkeypatch, tmp_path)
    assert found.wrong == [] and found.good
    assert (found.score, found.most, found.passed, found.failed) == (600, 600, 1066, 0)
    row = platforms.table([found]).splitlines()[2].replace(" ", "")
    assert row.startswith("|trixie|10.0.8|14.2.0|-|9.1|3.13.5|8.3.5|-|-|600/600|1066|0|")


@pytest.mark.parametrize(("said", "fault"), [
    ({"make_setup_check": (2, CHECKED)}, "grade/tests/core/test_run.py::test_two"),
    ({"make_setup_check": (2, "lint: mypy\n")}, "lint's last was mypy"),
    ({"make_doctor": (2, DOCTOR)}, "`make doctor` ends with 2, not 0"),
    ({"make_grade_LAB=1": (0, "90/100")}, "does not say: 100/100"),
    ({"score": 599}, None),
])
def test_what_is_not_good_is_seen(tried: Platform, monkeypatch: pytest.MonkeyPatch,
                                  tmp_path: Path, said: dict[str, tuple[int, str]],
                                  fault: str | None) -> None:
    found = go(tried, monkeypatch, tmp_path, **said)  # type: ignore[arg-type]
    assert not found.good
    assert fault is None or fault in " ".join([*found.wrong, *found.failures])
    if said.get("make_setup_check", (0, ""))[1] == CHECKED:
        assert (found.passed, found.failed) == (1063, 2)


def test_a_plain_user_is_told_to_be_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotTry, match="only root may"):
        platforms.refuse_what_cannot_be()


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platforms.shutil, "which", lambda name: None)
    with pytest.raises(CannotTry, match="debootstrap is not installed: make setup platforms"):
        platforms.refuse_what_cannot_be()


def test_no_network_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """debootstrap fails: the release is not good, says so, and half a root is not taken for one."""
    monkeypatch.setattr(platforms, "HERE", tmp_path)

    def call(log: io.TextIOBase, *command: str, fault: str) -> None:
        Path(command[-2], "etc").mkdir(parents=True)
        Path(command[-2], "etc/debian_version").write_text("13\n")
        raise CannotTry(fault)
    monkeypatch.setattr(platforms, "call", call)
    found = platforms.attempt("trixie", tmp_path / "roots", "http://nowhere")
    assert not found.good and "Is there a network?" in found.wrong[0]
    assert not (tmp_path / "roots/trixie").exists()


def has_namespaces() -> bool:
    return os.geteuid() == 0 and not subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode


@pytest.mark.skipif(not has_namespaces(), reason="only root may, and not in every container")
def test_nothing_is_left_of_a_command(tmp_path: Path) -> None:
    """Neither the mounts nor a process that turned into a daemon; and its words are kept."""
    def mounts() -> str:
        return Path("/proc/self/mounts").read_text()
    before, log = mounts(), io.StringIO()
    status, said = Root(Path("/"), log).run(
        "sh", "-c", f"setsid sleep 86421 >/dev/null 2>&1 & mount -t tmpfs none {tmp_path}; "
                    f"grep -c {tmp_path} /proc/self/mounts; exit 7")
    assert (status, said, log.getvalue()) == (7, "1\n", "1\n")
    assert mounts() == before
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert process.read_bytes() != b"sleep\00086421\000"


def test_installing_is_all_that_root_does() -> None:
    assert all(step.command.startswith("sh tools/setup ") or step.command == "make setup"
               for step in platforms.STEPS if step.as_root)
    assert Step("make setup check", status=None) in platforms.STEPS
