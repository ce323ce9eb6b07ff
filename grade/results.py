"""What a run found, as plain data, and the files that machines read: JSON and JUnit XML."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from grade.check import Check, exercise_points, number_key
from grade.errors import printable
from grade.outcome import Outcome

SCHEMA = Path(__file__).parent / "schema" / "results.schema.json"
SCHEMA_VERSION = 1
INTERNAL = "internal error"
CANNOT = "cannot grade"
ABSENT = "not handed in"
BOX, NO_SANDBOX = "bubblewrap", "none"  # in what another's tree is graded
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CheckResult:
    """How one check ended. `outcome` is an Outcome's value, or one of three others. INTERNAL: a bug
    of the grader, of which `details` is the traceback. CANNOT: the machine that grades lacks
    something. ABSENT: the lab was not handed in."""

    check: Check
    outcome: str
    seconds: float
    seen: str = ""
    expected: str = ""
    hint: str = ""
    details: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.outcome == Outcome.PASSED.value

    @property
    def points(self) -> int:
        return self.check.points if self.passed else 0

    @property
    def graded(self) -> bool:
        """Whether this says something about the submission."""
        return self.outcome not in (INTERNAL, CANNOT)


@dataclass(frozen=True)
class LabResult:
    """All the checks of a lab that were asked for, in the order of their ids."""

    number: int
    name: str
    checks: tuple[CheckResult, ...]
    seconds: float
    build_seconds: float
    build_errors: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return sum(result.points for result in self.checks)

    @property
    def maximum(self) -> int:
        return sum(result.check.points for result in self.checks)

    @property
    def exercises(self) -> dict[str, tuple[int, int]]:
        """Points earned and points to be had, by exercise."""
        maximum = exercise_points(result.check for result in self.checks)
        earned = exercise_points(result.check for result in self.checks if result.passed)
        return {each: (earned.get(each, 0), maximum[each])
                for each in sorted(maximum, key=number_key)}

    @property
    def graded(self) -> bool:
        return all(result.graded for result in self.checks)

    @property
    def absent(self) -> bool:
        return all(result.outcome == ABSENT for result in self.checks)

    def by_id(self) -> dict[str, CheckResult]:
        return {result.check.id: result for result in self.checks}


def absent_lab(number: int, name: str, checks: Sequence[Check]) -> LabResult:
    """A lab that was not handed in earns nothing, and counts like the others."""
    lost = tuple(CheckResult(check, ABSENT, 0.0, f"{name} was not handed in", "a directory "
                             f"lab{number}-… with sources in it") for check in checks)
    return LabResult(number, name, lost, 0.0, 0.0)


@dataclass(frozen=True)
class Request:
    """What was asked for, as far as it takes to ask for it again."""

    seed: int
    tests: tuple[str, ...] | None = None
    source: str = ""
    cc: str = "gcc"
    opt: str = "-O2"
    sandbox: str | None = None  # BOX, NO_SANDBOX, or None: one's own tree needs none

    def command(self, goal: str, id: str, *, here: bool = False) -> str:
        """The make command that repeats one check: in the tree that was graded, or here, from
        where it was."""
        words = ["make", goal, f"LAB={id[1]}", f"TEST={id}", f"SEED={self.seed}"]
        words += [f"FROM={shlex.quote(self.source)}"] if self.source and here else []
        words += ["SANDBOX=none"] if self.sandbox == NO_SANDBOX and here else []
        words += [f"CC={shlex.quote(self.cc)}"] if self.cc != "gcc" else []
        words += [f"OPT={shlex.quote(self.opt)}"] if self.opt != "-O2" else []
        return " ".join(words)


@dataclass
class Results:
    """A whole run: grown lab by lab, and written even when it was cut short."""

    request: Request
    labs: list[LabResult] = field(default_factory=list)
    complete: bool = False

    @property
    def score(self) -> int:
        return sum(lab.score for lab in self.labs)

    @property
    def maximum(self) -> int:
        return sum(lab.maximum for lab in self.labs)

    @property
    def graded(self) -> bool:
        return bool(self.labs) and all(lab.graded for lab in self.labs)

    @property
    def exit_status(self) -> int:
        """0: full marks of what was asked; 1: points were lost; 2: it could not be graded."""
        if not self.graded:
            return 2
        return 0 if self.score == self.maximum else 1


def as_json(results: Results) -> dict[str, Any]:
    """The results as `schema/results.schema.json` describes them."""
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": results.request.seed,
        "compiler": {"cc": results.request.cc, "opt": results.request.opt},
        "sandbox": results.request.sandbox,
        "tests": list(results.request.tests) if results.request.tests else None,
        "complete": results.complete,
        "score": results.score,
        "maximum": results.maximum,
        "labs": [_lab_as_json(lab, results.request) for lab in results.labs],
    }


def _lab_as_json(lab: LabResult, request: Request) -> dict[str, Any]:
    return {
        "number": lab.number,
        "name": lab.name,
        "score": lab.score,
        "maximum": lab.maximum,
        "seconds": round(lab.seconds, 3),
        "build": {"seconds": round(lab.build_seconds, 3), "errors": list(lab.build_errors)},
        "exercises": [{"id": each, "points": points, "maximum": maximum}
                      for each, (points, maximum) in lab.exercises.items()],
        "checks": [_check_as_json(result, request) for result in lab.checks],
    }


def _check_as_json(result: CheckResult, request: Request) -> dict[str, Any]:
    return {
        "id": result.check.id,
        "title": result.check.title,
        "exercises": list(result.check.exercises),
        "points": result.points,
        "maximum": result.check.points,
        "outcome": result.outcome,
        "seconds": round(result.seconds, 3),
        "seen": result.seen,
        "expected": result.expected,
        "details": list(result.details),
        "hint": result.hint,
        "seed": request.seed,
        "repeat": request.command("grade", result.check.id),
    }


def as_junit(results: Results) -> ElementTree.Element:
    """The results as CI systems read them: a suite per lab, a case per check."""
    suites = ElementTree.Element("testsuites", name="rung")
    for lab in results.labs:
        suite = ElementTree.SubElement(suites, "testsuite", {
            "name": clean(lab.name),
            "tests": str(len(lab.checks)),
            "failures": str(sum(each.graded and not each.passed for each in lab.checks)),
            "errors": str(sum(not each.graded for each in lab.checks)),
            "time": f"{lab.seconds:.3f}"})
        if results.request.sandbox:
            ElementTree.SubElement(ElementTree.SubElement(suite, "properties"), "property",
                                   name="sandbox", value=results.request.sandbox)
        for result in lab.checks:
            _junit_case(suite, lab, result, results.request)
    return suites


def _junit_case(suite: ElementTree.Element, lab: LabResult, result: CheckResult,
                request: Request) -> None:
    case = ElementTree.SubElement(suite, "testcase", {
        "classname": clean(lab.name),
        "name": f"{result.check.id} {clean(result.check.title)}",
        "time": f"{result.seconds:.3f}"})
    if not result.passed:
        kind = "failure" if result.graded else "error"
        said = ElementTree.SubElement(case, kind, type=result.outcome, message=clean(result.seen))
        said.text = clean(explanation(result, request))


def as_gradescope(results: Results) -> dict[str, Any]:
    """The results as the course system Gradescope reads them from results.json."""
    return {
        "score": results.score,
        "output": "\n".join([f"seed {results.request.seed}", *no_box(results.request)]),
        "output_format": "text",
        "execution_time": round(sum(lab.seconds for lab in results.labs)),
        "tests": [{"number": result.check.id, "name": result.check.title,
                   "score": result.points, "max_score": result.check.points,
                   "status": "passed" if result.passed else "failed",
                   "output": "" if result.passed else clean(explanation(result,
                                                                        results.request))}
                  for lab in results.labs for result in lab.checks],
    }


def no_box(request: Request) -> list[str]:
    """Whoever reads a result is told that nothing kept the tree from making it."""
    return ["sandbox: none"] if request.sandbox == NO_SANDBOX else []


def explanation(result: CheckResult, request: Request) -> str:
    """All that is known of a lost check, as plain text."""
    lines = [result.outcome, f"seen: {result.seen}"]
    lines += [f"expected: {result.expected}"] if result.expected else []
    lines += result.details
    lines += [f"hint: {result.hint}"] if result.hint else []
    return "\n".join([*lines, f"repeat: {request.command('grade', result.check.id)}"])


def clean(text: str) -> str:
    """Text without what XML cannot carry: a student's console may hold anything."""
    return NOT_XML.sub("?", text)


# ---- Files. A graded run leaves three; a submission that cannot be graded as it is leaves words;
# ---- a machine that cannot grade leaves nothing.
GRADED = ("junit.xml", "results.json", "gradescope.json")
PROBLEM = "problem.txt"


def discard(directory: Path) -> None:
    """Take the results of an earlier run away: nobody shall read them as those of this one."""
    for name in (*GRADED, PROBLEM):
        (directory / name).unlink(missing_ok=True)


def write(results: Results, directory: Path) -> None:
    """Write every format, or none of them."""
    junit = as_junit(results)
    ElementTree.indent(junit)
    try:
        replace_file(directory / "junit.xml",
                     ElementTree.tostring(junit, "unicode", xml_declaration=True))
        replace_file(directory / "results.json", _text(as_json(results)))
        replace_file(directory / "gradescope.json", _text(as_gradescope(results)))
    except BaseException:
        discard(directory)
        raise


def write_problem(words: str, directory: Path) -> None:
    """Say why a submission cannot be graded as it is, and where."""
    replace_file(directory / PROBLEM, printable(words) + "\n")


@contextlib.contextmanager
def alone(directory: Path, wait: Callable[[], None]) -> Iterator[None]:
    """The directory for one run at a time: another's results are neither read as ours nor lost in
    a muddle with them. `wait` is called if there is somebody to wait for."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _text(data: Mapping[str, Any]) -> str:
    """A kernel may print NUL, which readers of JSON take badly."""
    return json.dumps(data, indent=1, ensure_ascii=False).replace("\\u0000", "\\ufffd") + "\n"


def replace_file(path: Path, text: str) -> None:
    """A file is replaced whole, so that no reader finds half of one; no link is followed."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    try:
        with new.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
