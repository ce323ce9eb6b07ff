"""`python3 -m grade` as a person runs it: exit status, words, files."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from grade.results import GRADED, PROBLEM, SCHEMA
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
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert [each.attrib for each in suite.findall("properties/property")] == [
            {"name": "sandbox", "value": run.json["sandbox"]}]
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    gradescope = json.loads((run.out / "gradescope.json").read_text())
    assert sum(test["score"] for test in gradescope["tests"]) == run.json["score"]
    assert not any("\0" in (run.out / name).read_text() for name in GRADED)


def cannot(run: Run, told: str, *, problem: bool = False) -> None:
    """The run could not grade, says why, and leaves no result: only of a submission's problem,
    which is another's to mend, words are left."""
    assert run.status == 2, run.text
    assert told in run.text and "Traceback" not in run.text
    assert not any((run.out / name).exists() for name in GRADED)
    assert (run.out / PROBLEM).exists() == problem
    assert not re.search(r"\b0/\d+", run.text)
    if problem:
        assert told in (run.out / PROBLEM).read_text()
        assert "Problem with the submission: " in run.text


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
    (["--lab", "7"], "there is no lab 7 to grade; there are: 1, 2"),
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
    cannot(course.grade(*words), told, problem=words == ["--from", "/"])


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


def tools_but(tmp_path: Path, *absent: str) -> Path:
    """A PATH with what grading needs, but for these."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "gcc", "ld", "as", "nasm", "qemu-system-x86_64", "sh", "cp"):
        if name not in absent:
            (tools / name).symlink_to(shutil.which(name) or "")
    return tools


@pytest.mark.parametrize("tool", ["nasm", "some-cc"])
def test_a_missing_tool(course: Course, tmp_path: Path, tool: str) -> None:
    course.grade("--lab", "1")
    run = course.grade("--lab", "1", CC="some-cc" if tool == "some-cc" else "gcc",
                       PATH=str(tools_but(tmp_path, tool)))
    cannot(run, f"{tool} is not installed")
    assert "make setup" in run.text and "lab1" not in run.text.splitlines()[-1]


@pytest.mark.parametrize(("script", "told"), [
    ("echo QEMU emulator version 6.2.0", "qemu-system-x86_64 is version 6.2.0, and 7.2 or newer"),
    ("echo cannot open shared object file >&2; exit 127", "cannot open shared object file"),
])
def test_a_qemu_that_is_too_old_or_does_not_run(course: Course, tmp_path: Path, script: str,
                                                told: str) -> None:
    tools = tools_but(tmp_path, "qemu-system-x86_64")
    (tools / "qemu-system-x86_64").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "qemu-system-x86_64").chmod(0o755)
    cannot(course.grade("--lab", "1", PATH=str(tools)), told)


def test_a_tool_that_is_missed_in_the_middle(course: Course, tmp_path: Path) -> None:
    run = course.grade("--lab", "1", PATH=str(tools_but(tmp_path, "cp")))
    cannot(run, "cp is not installed")


def test_a_missing_tool_says_nothing_about_one_check(course: Course) -> None:
    course.write_checks(1, """
        from grade.errors import MissingTool
        raise MissingTool("xorriso")
        """, "raise OSError(28, 'No space left on device', '/tmp/x')")
    run = course.grade("--lab", "1")
    cannot(run, "xorriso is not installed")
    assert "No space left on device: /tmp/x" in run.text and "bug of the grader" not in run.text
    assert re.search(r"T1\.1 +the first +–/60", run.text) and "there is no score" in run.text


def test_a_bug_of_the_grader_is_no_loss_of_the_student(course: Course) -> None:
    course.write_checks(1, "undefined_name")
    run = course.grade()
    assert run.status == 2, run.text
    assert "bug of the grader" in run.text and "NameError" in run.text
    assert "pytest/" not in run.text and not (run.out / "results.json").exists()
    assert re.search(r"lab1-fake +not graded +–", run.text), run.text
    assert re.search(r"lab2-fake .* 100/100", run.text) and "/200" not in run.text
    assert re.search(r"T1\.1 +the first +–/60 .* internal error", run.text)
    assert re.search(r"T1\.2 +the second +40/40 .* passed", run.text)


def test_a_check_cannot_be_skipped(course: Course) -> None:
    course.write_checks(1, "import pytest; pytest.skip('not today')")
    run = course.grade("--lab", "1")
    assert run.status == 2 and not (run.out / "results.json").exists(), run.text
    assert "was skipped" in run.text and "internal error" in run.text


def test_a_check_that_kills_its_process_is_a_bug_of_the_grader(course: Course) -> None:
    course.write_checks(1, "os.kill(os.getpid(), 9)")
    run = course.grade("--lab", "1")
    cannot(run, "internal error")


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


def test_checks_run_without_make_too(course: Course) -> None:
    course.write_checks(1, "equal(0x1000, 0x2000, 'CR3', 'look there')",
                        "assert lab.number == 1 and lab.kernel.is_file()")
    shutil.copy(ROOT / "grade" / "conftest.py", course.checks)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         str(course.checks / "test_lab1_fake.py")], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        env=course.environment({"FROM": str(course.tree), "PYTHONPATH": str(ROOT), "SEED": "31"}),
        timeout=600)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "CR3" in done.stdout and "look there" in done.stdout and "SEED=31" in done.stdout
    assert "Traceback" not in done.stdout and "raise Failure" not in done.stdout


# ---- What is handed in.

def test_a_lab_that_is_not_handed_in_counts(course: Course) -> None:
    """Who hands in the one lab that works has 100 of 200."""
    shutil.rmtree(course.lab(2))
    run = course.grade()
    assert run.status == 1, run.text
    validate(run)
    assert (run.json["score"], run.json["maximum"]) == (100, 200)
    assert set(outcomes(run).values()) == {"passed", "not handed in"}
    assert re.search(r"lab2-fake +not handed in +0/100", run.text), run.text
    assert re.search(r"all +100/200", run.text) and "make debug" not in run.text
    only = course.grade("--lab", "2")
    assert only.status == 1 and (only.json["score"], only.json["maximum"]) == (0, 100)


def test_a_problem_with_the_submission(course: Course) -> None:
    course.grade()
    (course.lab(1) / "main (copy).c").write_text("")
    (course.lab(1) / "a\x1b[31m.c").write_text("")
    run = course.grade()
    cannot(run, "lab1-fake/main (copy).c is not a name", problem=True)
    assert "\x1b" not in run.text and "\x1b" not in (run.out / PROBLEM).read_text()
    for path in course.lab(1).glob("*[ [].c"):
        path.unlink()
    for path in list(course.lab(1).iterdir()):
        if path.name != "kernel.c":
            path.unlink()
    assert course.grade().status == 0 and not (course.out / PROBLEM).exists()


def test_a_path_may_hold_anything(course: Course) -> None:
    """A student's tree, that is: it is copied before make sees it."""
    odd = course.tree.with_name("Dö, Jane's (copy) $(touch x) `id`; \n%s #1 -- \x1b[31m")
    course.tree.rename(odd)
    run = course.grade("--from", str(odd))
    assert run.status == 0, run.text
    validate(run)


def test_older_files_of_another_tree_are_not_built_upon(course: Course) -> None:
    """As unzip leaves them: B's files are older than what was built of A's, in the same place."""
    course.write_checks(1, "expect(b'FULL MARKS' in lab.kernel.read_bytes(), 'B', 'A')")
    source = course.lab(1) / "kernel.c"
    good = source.read_text() + '__attribute__((used)) static const char a[] = "FULL MARKS";\n'
    source.write_text(good)
    assert course.grade("--lab", "1").json["score"] == 100
    source.write_text(good.replace("FULL", "NO"))
    os.utime(source, (1, 1))
    os.utime(course.lab(1), (1, 1))
    assert course.grade("--lab", "1").json["score"] == 40


def test_two_gradings_of_one_place_wait_for_each_other(course: Course) -> None:
    note = course.out.parent / "at-work"
    course.write_checks(1, f"""
        from pathlib import Path
        note = Path({str(note)!r})
        assert not note.exists(), "another is at work"
        note.write_text("x")
        time.sleep(0.5)
        note.unlink()
        """)
    runs = [subprocess.Popen(course.command("--lab", "1", "--seed", str(seed)), cwd=ROOT, text=True,
                             env=course.environment(), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT) for seed in range(3)]
    texts = [run.communicate(timeout=PATIENCE)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 3, texts
    assert any("this one waits for it" in text for text in texts)
    last = Run(0, "", course.out)
    validate(last)
    assert last.json["score"] == 100 and last.json["seed"] in range(3)
    assert sorted(os.listdir(course.out)) == sorted([".lock", "from", *GRADED])


def test_a_link_in_the_place_of_a_result_is_not_followed(course: Course, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("much work")
    course.out.mkdir()
    for name in (*GRADED, PROBLEM):
        (course.out / name).symlink_to(precious)
    assert course.grade("--lab", "1").status == 0
    assert precious.read_text() == "much work" and not (course.out / "results.json").is_symlink()
    (course.out / ".lock").unlink()
    (course.out / ".lock").symlink_to(precious)
    run = course.grade("--lab", "1")
    assert run.status == 2 and precious.read_text() == "much work"


def test_whatever_a_kernel_prints_the_files_can_be_read(course: Course) -> None:
    course.write_checks(1, r'expect(False, "\0\x1b[2J\ud800\uffff\x07", "\0", "\0 \udcff")')
    run = course.grade("--lab", "1")
    assert run.status == 1, run.text
    validate(run)
    assert "\x1b" not in run.text


# ---- The machine that grades.

@pytest.mark.parametrize("opt, cc, told", [
    ("nonsense", "gcc", "OPT=nonsense: gcc does not know that"),
    ("-O2", "gcc -mno-such-thing", "CC=gcc -mno-such-thing cannot compile"),
])
def test_what_the_compiler_does_not_know(course: Course, opt: str, cc: str, told: str) -> None:
    cannot(course.grade("--lab", "1", OPT=opt, CC=cc), told)


@pytest.mark.parametrize("environment", [
    {"PYTHONIOENCODING": "latin-1", "COLUMNS": "0", "TERM": "nonsense"},
    {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "20", "TERM": "",
     "PYTHONWARNINGS": "error"},
    {"LC_ALL": "tr_TR.UTF-8", "COLUMNS": "x", "PYTEST_ADDOPTS": "--nonsense",
     "PYTEST_PLUGINS": "nothing_of_this_name", "CFLAGS": "-DX(", "CPATH": "/nowhere",
     "NASMENV": "--nonsense", "LIBRARY_PATH": "x", "GCC_EXEC_PREFIX": "/nowhere/",
     "MAKEFILES": "/nowhere", "MAKEFLAGS": "n"},
])
def test_a_person_s_environment_changes_nothing(course: Course,
                                                environment: dict[str, str]) -> None:
    course.write_checks(1, "expect(False, 'ü…', '„x“')")
    run = course.grade(**environment)
    assert run.status == 1, run.text
    validate(run)
    assert run.json["score"] == 140
    assert "Traceback" not in run.text and re.search(r"140/200", run.text)


@pytest.mark.parametrize("redirection, told", [
    (">/dev/full", "cannot be written"), (">&-", "no output"), (">/dev/full 2>/dev/full", ""),
    (">&- 2>&-", ""), (">/dev/full 2>&-", ""),
])
def test_a_report_that_cannot_be_written(course: Course, redirection: str, told: str) -> None:
    """Nobody has been told, so nothing is known: no lost points, and no files."""
    course.write_checks(1, "expect(False, 'this', 'that')")
    assert course.grade("--lab", "1").status == 1
    run = in_shell(course, redirection)
    cannot(run, told)


def test_a_report_that_nobody_reads(course: Course) -> None:
    """make grade | head: some rich would end the program with the status of lost points."""
    words = shlex.join(course.command("--lab", "1"))
    done = subprocess.run(["sh", "-c", f"( {words}; echo ended $? >&2 ) | true"], cwd=ROOT,
                          env=course.environment(), stderr=subprocess.PIPE, text=True)
    assert done.stderr == "ended 2\n"
    assert not (course.out / "results.json").exists()


@pytest.mark.parametrize("redirection", ["<&-", "2>&-", "<&- 2>&-"])
def test_what_is_closed_and_not_needed(course: Course, redirection: str) -> None:
    run = in_shell(course, redirection)
    assert run.status == 0, run.text
    assert run.json["score"] == 100


def in_shell(course: Course, redirection: str) -> Run:
    words = shlex.join(course.command("--lab", "1"))
    done = subprocess.run(["sh", "-c", f"{words} {redirection}"], cwd=ROOT, text=True,
                          env=course.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    return Run(done.returncode, done.stdout, course.out)


def test_a_umask_changes_nothing(course: Course) -> None:
    before = os.umask(0o077)
    try:
        run = course.grade()
    finally:
        os.umask(before)
    assert run.status == 0, run.text


def test_settings_around_the_tree_change_nothing(course: Course) -> None:
    for directory in (course.checks.parent, course.checks):
        (directory / "conftest.py").write_text("nonsense")
        (directory / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    run = course.grade()
    assert run.status == 0, run.text


@pytest.mark.parametrize("name, version, told", [
    ("pytest", "6.2.5", "pytest is version 6.2.5, and 7.0 or newer is needed"),
    ("pyelftools", "0.27", "pyelftools is version 0.27, and 0.28 or newer"),
    ("rich", None, "rich is missing"),
])
def test_libraries_that_will_not_do(course: Course, tmp_path: Path, name: str,
                                    version: str | None, told: str) -> None:
    """The grader would crash in them, perhaps as soon as it imports them."""
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib import metadata\nreal = metadata.version\n"
        "def version(name):\n"
        f"    if name == {name!r} and {version!r} is None:\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        f"    return {version!r} if name == {name!r} else real(name)\n"
        "metadata.version = version\n")
    cannot(course.grade(PYTHONPATH=str(tmp_path)), told)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_place_where_nothing_can_be_written(course: Course) -> None:
    course.out.mkdir()
    course.out.chmod(0o500)
    cannot(course.grade(), "Permission denied")
