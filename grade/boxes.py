"""Another's tree is graded in two boxes: one builds a lab and leaves two kernels, the other runs
them and the checks. What comes out of the second is believed no more than what comes out of the
first: it is lines of JSON that name the checks that were asked for, each once, with an outcome and
words. The points are the label's."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grade import box
from grade.build import TOOLS, TREE, be_bounded, build, compiler_words, end_group
from grade.catalog import lab_name, load, named_checks
from grade.check import Check
from grade.errors import BuildFailed, CannotGrade
from grade.machine import template
from grade.machine.setup import Setup
from grade.options import Options
from grade.outcome import Outcome
from grade.pool import GRACE, TICK
from grade.results import CANNOT, INTERNAL, CheckResult, LabResult, absent_lab
from grade.run import BACKSTOP, Watch, not_built
from grade.tree import ROOT

PLACE = Path("/rung")
HIDDEN = ("grade/bugs", "grade/tests")
MEMORIES = (64, 128)  # MiB: the machines that checks start, of which templates are made before
LONGEST_LINE, LONGEST_TEXT, MOST_LINES = 8 << 20, 1 << 16, 2000
OUTCOMES = {*(each.value for each in Outcome), INTERNAL, CANNOT}


class Boxes:
    """Grades labs of a tree that was taken in. A context manager: after it nothing runs."""

    def __init__(self, options: Options, watch: Watch) -> None:
        self.options, self.submission, self.watch = options, options.submission, watch
        self.run_box: RunBox | None = None

    def __enter__(self) -> Boxes:
        box.require((*TOOLS, *compiler_words(self.options.cc)[:1]))
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.run_box:
            self.run_box.close(patient=kind is None)

    def grade(self, number: int) -> LabResult:
        """Grade a lab, handed in or not."""
        load(number)
        checks = named_checks(number, self.options.tests)
        if number not in self.submission.labs:
            absent = absent_lab(number, lab_name(number), checks)
            self.watch.lab_absent(absent.name)
            return absent
        directory = self.submission.labs[number]
        self.watch.lab_begins(directory.name, checks, self.options.seed, self.options.jobs)
        began = time.monotonic()
        errors = self.build(number, directory)
        build_seconds = time.monotonic() - began
        outcome = Outcome.BUILD_ERROR
        self.watch.built(build_seconds, outcome if errors else Outcome.PASSED, errors)
        found: Sequence[CheckResult] = ()
        if not errors:
            outcome, errors, found = self.check(number, directory, checks)
        if errors:
            found = not_built(checks, outcome, errors, self.watch)
        result = LabResult(number, directory.name, tuple(found), time.monotonic() - began,
                           build_seconds, tuple(errors))
        self.watch.lab_ended(result)
        return result

    def build(self, number: int, directory: Path) -> list[str]:
        """Build in the first box; the errors."""
        options = self.options
        try:
            build(directory, self.submission.build_dir(number), options.cc, options.opt,
                  options.jobs, self.submission.common, boxed=True)
        except BuildFailed as failed:
            return failed.errors
        return []

    def check(self, number: int, directory: Path, checks: Sequence[Check]
              ) -> tuple[Outcome, list[str], list[CheckResult]]:
        """Run the checks in the second box, which is the same for all labs."""
        if not self.run_box:
            self.run_box = RunBox(self.options)
        return self.run_box.grade(number, directory.name, checks, self.watch)


class RunBox:
    """The grader in a box: it is told of labs, and tells of checks."""

    def __init__(self, options: Options) -> None:
        for memory in MEMORIES:
            Setup(memory=memory).saved()
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            inside(options.submission.tree), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, start_new_session=True, preexec_fn=be_bounded(os.getpid()))
        self.data = bytearray()
        self.tell(tests=options.tests, seed=options.seed, jobs=options.jobs)

    def tell(self, **words: Any) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # events() will see why
            self.process.stdin.write(json.dumps(words).encode() + b"\n")
            self.process.stdin.flush()

    def grade(self, number: int, directory: str, checks: Sequence[Check], watch: Watch
              ) -> tuple[Outcome, list[str], list[CheckResult]]:
        """How a lab could be started, errors if it could not, and how each check ended."""
        self.tell(number=number, directory=directory)
        waited = {check.id: check for check in checks}
        found: dict[str, CheckResult] = {}
        for event in self.events(watch):
            try:
                if "cannot" in event:
                    raise CannotGrade(text(event["cannot"]))
                if "begins" in event:
                    watch.check_begins(waited[event["begins"]])
                elif "ended" in event:
                    result = check_result(waited, event["ended"])
                    found[result.check.id] = result
                    watch.check_ended(result)
                elif event["done"] != Outcome.PASSED.value:
                    return Outcome(event["done"]), lines(event["errors"]) or ["no reason"], []
                elif not waited:
                    return Outcome.PASSED, [], [found[check.id] for check in checks]
                else:
                    raise ValueError(f"nothing is known of {', '.join(waited)}")
            except (KeyError, TypeError, ValueError) as error:
                raise self.broken(f"{type(error).__name__}: {error}") from None
        raise self.broken("it ended")

    def events(self, watch: Watch) -> Iterator[Mapping[str, Any]]:
        """What the box tells, until it says no more."""
        assert self.process.stdout
        pipe, heard = self.process.stdout.fileno(), time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                line, newline, rest = self.data.partition(b"\n")
                if newline:
                    self.data = rest
                    yield self.understood(bytes(line))
                    continue
                if selector.select(TICK):
                    chunk = os.read(pipe, 1 << 16)
                    if not chunk:
                        return
                    self.data += chunk
                    heard = time.monotonic()
                if len(self.data) > LONGEST_LINE or time.monotonic() - heard > BACKSTOP + 60:
                    raise self.broken("it says too much" if self.data else "it says nothing")
                watch.tick()

    def understood(self, line: bytes) -> Mapping[str, Any]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            raise self.broken("it says what is no event")
        return event

    def broken(self, why: str) -> RuntimeError:
        """The grader in the box has failed, or something in there speaks in its place."""
        self.close()
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - LONGEST_TEXT))
        said = self.errors.read().decode(errors="replace")
        return RuntimeError(f"the box in which the kernels run gave no result: {why}\n{said}")

    def close(self, patient: bool = False) -> None:
        """End it, and all that runs in it. It ends by itself when it is told no more."""
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        if self.process.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE if patient else 0)
        if self.process.returncode is None:
            end_group(self.process)
        elif self.process.stdout:
            self.process.stdout.close()


def inside(tree: Path) -> list[str]:
    """The words that start inside.py in a box."""
    shown = {f"{PLACE}/grade": ROOT / "grade", f"{PLACE}/common": ROOT / "common",
             f"{PLACE}/tools/versions": ROOT / "tools/versions",
             f"{PLACE}/build/grade/template": template.CACHE, str(TREE): tree, **python()}
    environment = {"LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    if sys.pycache_prefix:
        environment["PYTHONPYCACHEPREFIX"] = "/pycache"
        shown.update(compiled(Path(sys.pycache_prefix)))
    if "RUNG_CHECKS" in os.environ:
        environment["RUNG_CHECKS"] = "/checks"
        shown["/checks"] = Path(os.environ["RUNG_CHECKS"])
    if "CROSS" in os.environ:
        environment["CROSS"] = os.environ["CROSS"]
    for path in shown.values():
        box.require_readable(path)
    hidden = [f"{PLACE}/{name}" for name in HIDDEN if (ROOT / name).is_dir()]
    return box.command([sys.executable, "-m", "grade.inside"], shown, hidden,
                       environment=environment, start=str(PLACE))


def python() -> dict[str, Path]:
    """Where Python and its libraries are, if not in /usr."""
    places = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix, *sys.path) if place}
    return {str(place): place for place in sorted(places)
            if place.is_dir() and Path("/usr") not in (place, *place.parents)
            and place not in (ROOT, *ROOT.parents)}


def compiled(cache: Path) -> dict[str, Path]:
    """Python's compiled files, at the places that belong to those of the sources in the box."""
    places = {"/pycache/usr": cache / "usr", f"/pycache{PLACE}/grade": Path(f"{cache}{ROOT}/grade")}
    return {place: path for place, path in places.items() if path.is_dir()}


def check_result(waited: dict[str, Check], told: Mapping[str, Any]) -> CheckResult:
    """What a box tells of a check that we wait for. Raises KeyError, TypeError or ValueError."""
    if told["outcome"] not in OUTCOMES:
        raise ValueError("there is no such outcome")
    seconds = float(told["seconds"])
    if not 0 <= seconds < 1e6:
        raise ValueError("a check takes no such time")
    return CheckResult(waited.pop(told["id"]), told["outcome"], seconds, text(told["seen"]),
                       text(told["expected"]), text(told["hint"]), tuple(lines(told["details"])))


def text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError("words must be text")
    return told if len(told) <= LONGEST_TEXT else told[:LONGEST_TEXT] + "…"


def lines(told: object) -> list[str]:
    if not isinstance(told, list):
        raise TypeError("lines must be a list")
    return [text(line) for line in told[:MOST_LINES]]
