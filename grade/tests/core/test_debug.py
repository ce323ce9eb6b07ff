"""`--debug` on a real kernel: a stop under gdb where the check is about, and nothing left after."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from grade.tests.core.course import ROOT, Course


def debug(course: Course, test: str, commands: str = "") -> tuple[int, str]:
    """Debug a fake check on the real lab 1, built by the real rules."""
    done = subprocess.run(
        [sys.executable, "-m", "grade", "--test", test, "--debug"], cwd=ROOT, text=True,
        env=course.environment({"RUNG_RULES": ""}), input=commands, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=600)
    return done.returncode, done.stdout


def test_gdb_stands_at_the_function(course: Course) -> None:
    course.write_checks(1, "with lab.boot() as machine:\n    machine.run_to_exit()")
    status, text = debug(course, "T1.1", "info registers rip\nlist\nquit\n")
    assert status == 0, text
    assert re.search(r"The machine stands at kmain \(main\.c:\d+\)", text)
    assert re.search(r"rip +0xffffffff8\w+ +0x\w+ <kmain", text) and "void kmain" in text
    log = re.search(r"\S+/serial\.log", text)
    assert log and not Path(log[0]).parent.exists()


def test_a_check_that_never_comes_there(course: Course) -> None:
    status, text = debug(course, "T1.2")
    assert status == 0 and "The check ended (passed) and never came to kmain." in text
    course.write_checks(1, second="expect(False, 'this', 'that')")
    status, text = debug(course, "T1.2")
    assert status == 1 and "(wrong)" in text and "seen      this" in text


def test_one_check_at_a_time(course: Course) -> None:
    status, text = debug(course, "T1.1,T1.2")
    assert status == 2 and "takes one check" in text
