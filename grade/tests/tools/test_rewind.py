"""`make rewind` and `make map` as a person types them: what they leave, and what they refuse."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pexpect
import pytest

from grade.tests import HANGING
from grade.tests.tools.conftest import Run

ROOT = Path(__file__).resolve().parents[3]
PROMPT = "(gdb) "


def leftovers() -> set[str]:
    return {path.name for path in (ROOT / "build").glob("rewind-*")}


def test_typed_on_a_terminal_and_ended_by_ctrl_c() -> None:
    """Lab 6's shell is typed to, then the recording is ended; gdb gets what is typed from then on,
    and goes back from there. Nothing is left behind."""
    before = leftovers()
    child = pexpect.spawn(sys.executable, ["-m", "tools.rewind", "--lab", "6"], cwd=ROOT,
                          encoding="utf-8", timeout=HANGING, dimensions=(50, 80))
    child.expect_exact("$ ")
    child.send("hello\r")
    child.expect_exact("Hello from userspace!")
    child.expect_exact("$ ")
    child.send("\x03")
    child.expect_exact("The recording ends where you ended it.")
    child.expect_exact(PROMPT)
    assert child.before
    assert not [line for line in child.before[child.before.index("Type, to go"):].splitlines()
                if len(line) > 80]
    child.sendline("rung-step -2")
    child.expect_exact(PROMPT)
    assert child.before and len(re.findall(r"^   0 o(?:n|ff) ", child.before, re.M)) == 3
    child.sendline("rung-last &current_process")
    child.expect_exact(PROMPT)
    assert child.before and "scheduler.c" in child.before
    child.sendline("quit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0 and leftovers() == before


@pytest.mark.parametrize("goal", ["rewind", "map"])
@pytest.mark.parametrize("given, says", [
    (["LAB=1", "PROGRAM=Makefile"], "lab 1 runs no programs"),
    (["LAB=3", "PROGRAM=none.elf"], "there is no file none.elf"),
    (["LAB=2", "FROM=/none"], "FROM=/none: no such directory"),
])
def test_what_cannot_be_is_refused_in_words(run: Run, goal: str, given: list[str], says: str
                                            ) -> None:
    done = run("make", goal, *given)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_a_map_for_people_and_for_machines(run: Run) -> None:
    done = run("make", "map", "LAB=2", "AT=tour")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  ffffffff8\w+ ffffffff8\w+ .* r-x +kernel image$", done.stdout, re.M)
    assert '"owner": "free"' in (ROOT / "build/map/lab2-tour.json").read_text()
