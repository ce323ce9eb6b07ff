"""`python3 -m grade` as a person runs it: exit status, words, files."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from grade.results import SCHEMA
from grade.tests.core.course import ROOT, Course, Run
from grade.tests.core.test_pool import PATIENCE, SLEEP, gone, wait_for


def validate(run: Run) -> None:
    """results.json is as the schema says, and junit.xml and gradescope.json agree with it."""
    jsonschema.validate(run.json, json.loads(SCHEMA.read_text()))
    checks = [check for lab in run.json["labs"] for check in lab["checks"]]
    suites = ElementTree.parse(run.out / "junit.xml").getroot()
    cases = suites.findall("testsuite/testcase")
    assert [case.attrib["name"].split()[0] for case in cases] == [each["id"] for each in checks]
    for case, each in zip(cases, checks):
        kinds = [child.attrib["type"] for child in case]
        assert kinds == ([] if each["outcome"] == "passed" else [each["outcome"]])
    for suite in suites:
        assert int(suite.attrib["tests"]) == len(suite)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    gradescope = json.loads((run.out / "gradescope.json").read_text())
    assert sum(test["score"] for test in gradescope["tests"]) == run.json["score"]


def test_the_schema_is_one_and_is_strict(course: Course) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    good = course.grade("--lab", "1").json
    for key in good["labs"][0]["checks"][0]:
        bad = json.loads(json.dumps(good))
        del bad["labs"][0]["checks"][0][key]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def outcomes(run: Run) -> dict[str, str]:
    return {check["id"]: check["outcome"] for lab in run.json["labs"] for check in lab["checks"]}


def test_full_marks(course: Course) -> None:
    run = course.grade()
    assert run.status == 0, run.text
    validate(run)
    assert (run.json["score"], run.json["maximum"]) == (200, 200)
    assert run.json["complete"]
    assert re.search(r"T1\.1 +the first +60/60 +\d+\.\d\d s +passed", run.text)
    assert re.search(r"lab2-fake +2\.1:\s60/60 +2\.2:\s40/40 +100/100", run.text)
    assert re.search(r"all +200/200", run.text)
    assert "\x1b" not in run.text


def test_points_lost(course: Course) -> None:
    course.write_checks(2, 'raise Failure(Outcome.PANIC, "PANIC: \\x1b[31mno", "none", '
                           'details=["first line", "second line"])')
    run = course.grade("--lab", "2", "--seed", "7")
    assert run.status == 1, run.text
    validate(run)
    assert outcomes(run) == {"T2.1": "panic", "T2.2": "passed"}
    assert run.json["score"] == 40
    [first, _] = run.json["labs"][0]["checks"]
    assert first["seen"] == "PANIC: \x1b[31mno" and first["expected"] == "none"
    assert first["hint"] == "think" and first["seed"] == 7 and first["points"] == 0
    for words in (r"seen      PANIC: \x1b[31mno", "expected  none", "details   first line",
                  "            second line", "hint      think",
                  f"make grade LAB=2 TEST=T2.1 SEED=7 FROM={course.tree}",
                  f"make debug LAB=2 TEST=T2.1 SEED=7 FROM={course.tree}"):
        assert f"  {words}\n" in run.text or words in run.text
    assert "Traceback" not in run.text


def test_one_check(course: Course) -> None:
    course.write_checks(2, "expect(False, 'this', 'that', 'look there')")
    run = course.grade("--test", "t2.2")
    assert run.status == 0, run.text
    validate(run)
    assert outcomes(run) == {"T2.2": "passed"}
    assert run.json["tests"] == ["T2.2"] and run.json["maximum"] == 40
    assert "T2.2 alone" in run.text


@pytest.mark.parametrize("words, told", [
    (["--lab", "7"], "there are: 1, 2"),
    (["--lab", "x"], "LAB=x is not a number"),
    (["--lab", "1", "--test", "T1.9"], "T1.2   the second"),
    (["--lab", "1", "--test", "T2.1"], "lab 1 has no check T2.1"),
    (["--test", "nonsense"], "looks like T2.3"),
    (["--seed", "x"], "SEED=x is not a number"),
    (["--from", "/nowhere"], "no such directory"),
    (["--from", "/"], "no lab to grade"),
])
def test_a_wrong_word_is_answered_with_the_right_ones(course: Course, words: list[str],
                                                      told: str) -> None:
    run = course.grade(*words)
    assert run.status == 2 and told in run.text
    assert "Traceback" not in run.text
    assert not (run.out / "results.json").exists()


def test_a_submission_that_does_not_build(course: Course) -> None:
    (course.lab(1) / "kernel.c").write_text("void kmain(void) { undeclared = 1; }")
    run = course.grade("--lab", "1")
    assert run.status == 1, run.text
    validate(run)
    assert set(outcomes(run).values()) == {"build error"} and run.json["score"] == 0
    assert run.text.count("error: 'undeclared' undeclared") == 1
    assert "undeclared" in run.json["labs"][0]["build"]["errors"][0]


def test_a_broken_lab_does_not_stop_the_next(course: Course) -> None:
    (course.lab(1) / "kernel.c").write_text("nonsense")
    run = course.grade()
    assert run.status == 1 and run.json["score"] == 100
    assert [lab["score"] for lab in run.json["labs"]] == [0, 100]


@pytest.mark.parametrize("tool", ["nasm", "some-cc"])
def test_a_missing_tool(course: Course, tmp_path: Path, tool: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "gcc", "ld", "as", "nasm", "qemu-system-x86_64", "sh"):
        if name != tool:
            (tools / name).symlink_to(shutil.which(name) or "")
    run = course.grade("--lab", "1", CC="some-cc" if tool == "some-cc" else "gcc",
                       PATH=str(tools))
    assert run.status == 2, run.text
    validate(run)
    assert set(outcomes(run).values()) == {"missing tool"}
    assert f"{tool} is not installed" in run.text and "make setup" in run.text


def test_a_bug_of_the_grader_is_no_loss_of_the_student(course: Course) -> None:
    course.write_checks(1, "undefined_name")
    run = course.grade("--lab", "1")
    assert run.status == 2, run.text
    validate(run)
    assert outcomes(run) == {"T1.1": "internal error", "T1.2": "passed"}
    assert "bug of the grader" in run.text and "NameError" in run.text
    assert "_pytest" not in run.text


def test_a_check_cannot_be_skipped(course: Course) -> None:
    course.write_checks(1, "import pytest; pytest.skip('not today')")
    run = course.grade("--lab", "1")
    assert run.status == 2 and outcomes(run)["T1.1"] == "internal error"
    assert "was skipped" in run.text


def test_a_check_that_kills_its_process_is_a_bug_of_the_grader(course: Course) -> None:
    course.write_checks(1, "os.kill(os.getpid(), 9)")
    run = course.grade("--lab", "1")
    assert run.status == 2 and outcomes(run)["T1.1"] == "internal error"
    validate(run)


@pytest.mark.parametrize("source, told", [
    ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    ("def test_bare(): pass", "test_bare is not declared with @check"),
])
def test_checks_that_cannot_be_collected(course: Course, source: str, told: str) -> None:
    with (course.checks / "test_lab1_fake.py").open("a") as file:
        file.write(f"\n{source}\n")
    run = course.grade("--lab", "1")
    assert run.status == 2 and "The grader has a bug" in run.text
    assert told in run.text


def test_points_are_summed_at_collection(course: Course) -> None:
    path = course.checks / "test_lab1_fake.py"
    path.write_text(path.read_text().replace("points=60", "points=50"))
    run = course.grade("--lab", "1")
    assert run.status == 2 and "the points sum to 90, not 100" in run.text


def test_seed_repeats_every_random_choice_also_of_one_check(course: Course) -> None:
    for number in (1, 2):
        course.write_checks(number, *["expect(False, str(lab.rng.getrandbits(64)), '')"] * 2)

    def seen(*words: str) -> dict[str, str]:
        run = course.grade(*words)
        return {check["id"]: check["seen"] for lab in run.json["labs"] for check in lab["checks"]}

    first = seen("--seed", "5")
    assert len(set(first.values())) == 4
    assert seen("--seed", "5", "--jobs", "1") == first
    assert seen("--seed", "5", "--test", "T2.2") == {"T2.2": first["T2.2"]}
    assert not set(seen("--seed", "6").values()) & set(first.values())


def test_a_seed_is_chosen_and_said(course: Course) -> None:
    run = course.grade("--lab", "1")
    assert f"seed {run.json['seed']}," in run.text


def test_make_variables_stand_for_options(course: Course) -> None:
    run = course.grade("--lab", "", "--test", "T1.1", SEED="11", OPT="-O0", CC="gcc", TEST="T2.2")
    assert run.status == 0, run.text
    assert run.json["seed"] == 11 and run.json["compiler"] == {"cc": "gcc", "opt": "-O0"}
    assert outcomes(run) == {"T1.1": "passed"}


def test_a_make_around_us_changes_nothing_below(course: Course) -> None:
    rules = course.rules.read_text()
    course.rules.write_text("LAB := 1\nifneq ($(LAB),1)\n$(error LAB=$(LAB))\nendif\n" + rules)
    run = course.grade("--lab", "1", MAKEFLAGS=" -- LAB=2", MAKELEVEL="1", PYTEST_ADDOPTS="-v -x")
    assert run.status == 0, run.text


def test_colour_on_a_terminal_unless_told(course: Course) -> None:
    assert "\x1b[32mpassed" in on_terminal(course, {})
    assert "\x1b[32m" not in on_terminal(course, {"NO_COLOR": "1"})
    assert "\x1b" not in course.grade("--lab", "1", FORCE_COLOR="1").text


def on_terminal(course: Course, more: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    environment = course.environment({"TERM": "xterm", "COLUMNS": "100", **more})
    with subprocess.Popen(course.command("--lab", "1"), cwd=ROOT, env=environment, stdin=theirs,
                          stdout=theirs, stderr=theirs):
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 4096):
                text += chunk
        except OSError:  # Linux's way to say that nobody has the terminal open any more
            pass
    os.close(ours)
    return text.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_running(course: Course, number: int) -> None:
    """The check, and what it has started, would go on for much longer than is waited here."""
    note = course.out.parent / "pid"
    course.write_checks(1, f"""
        import subprocess
        from pathlib import Path
        child = subprocess.Popen(["sleep", "{SLEEP}"])
        Path({str(note)!r}).write_text(str(child.pid))
        time.sleep({SLEEP})
        """)
    process = subprocess.Popen(course.command("--lab", "1"), cwd=ROOT, text=True,
                               env=course.environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        child = int(wait_for(note))
        process.send_signal(number)
        text, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130, text
    assert "Interrupted. Nothing is left running." in text and "Traceback" not in text
    assert gone(child)
    assert Run(130, text, course.out).json["complete"] is False


def test_checks_run_under_plain_pytest_too(course: Course) -> None:
    course.write_checks(1, "equal(0x1000, 0x2000, 'CR3', 'look there')",
                        "assert lab.number == 1 and lab.kernel.is_file()")
    shutil.copy(ROOT / "grade" / "conftest.py", course.checks)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         str(course.checks / "test_lab1_fake.py")], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        env=course.environment({"FROM": str(course.tree), "PYTHONPATH": str(ROOT), "SEED": "31"}),
        timeout=60)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "CR3" in done.stdout and "look there" in done.stdout and "SEED=31" in done.stdout
    assert "Traceback" not in done.stdout and "raise Failure" not in done.stdout
