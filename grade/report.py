"""The report for people: a line per check as it ends, then why each lost point was lost."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grade.check import Check
from grade.errors import printable
from grade.outcome import Outcome
from grade.results import (ABSENT, CANNOT, INTERNAL, CheckResult, LabResult, Request, Results,
                           no_box)
from grade.run import Watch

LABEL = 10
TITLE = 58
NARROWEST = 40


class Terminal(Console):
    """A console that leaves it to us what it means that nobody reads any more: rich 13.8 and newer
    would end the program with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console() -> Console:
    """Colour and movement on a terminal only; NO_COLOR is respected (https://no-color.org)."""
    on_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    plain = not on_terminal or bool(os.environ.get("NO_COLOR"))
    console = Terminal(force_terminal=on_terminal, color_system=None if plain else "auto",
                       highlight=False, markup=False, emoji=False, soft_wrap=not on_terminal,
                       legacy_windows=False)
    if console.width < NARROWEST:  # where the table has no room at all, the terminal may fold it
        console.width = NARROWEST
    return console


class Report(Watch):
    """Writes on a console what a run tells it."""

    def __init__(self, console: Console, request: Request) -> None:
        self.console, self.request = console, request
        self.running: dict[str, float] = {}
        self.total = self.done = 0
        self.live: Live | None = None

    def lab_begins(self, name: str, checks: Sequence[Check], seed: int, jobs: int) -> None:
        self.total, self.done = len(checks), 0
        self.running.clear()
        self.console.print(Text.assemble((name, "bold"), f"  seed {seed}, ",
                                         f"{len(checks)} checks, {jobs} at a time; "
                                         "seconds are of processor time"))
        if self.console.is_terminal:
            # No refresh by a thread: the checks' processes are forked, and a lock that a thread
            # holds at that moment would never be released in them.
            self.live = Live(console=self.console, auto_refresh=False, transient=True,
                             redirect_stdout=False, redirect_stderr=False)
            self.live.start()
            self._progress("building")

    def lab_absent(self, name: str) -> None:
        self.console.print(Text.assemble((name, "bold"), "  ", (ABSENT, "red")))
        self.console.print()

    def built(self, seconds: float, outcome: Outcome, errors: Sequence[str]) -> None:
        if outcome is Outcome.PASSED:
            self._progress(f"built in {seconds:.1f} s")
            return
        self.console.print(Text(f"  {outcome.value}: {outcome.sentence}", "red"))
        for line in errors:
            self.console.print(Text("    " + printable(line)))

    def check_begins(self, check: Check) -> None:
        self.running[check.id] = time.monotonic()
        self.tick()

    def tick(self) -> None:
        now = time.monotonic()
        names = ", ".join(f"{id} {now - began:.1f} s" for id, began in self.running.items())
        self._progress(names or "…")

    def check_ended(self, result: CheckResult) -> None:
        self.done += 1
        self.running.pop(result.check.id, None)
        check = result.check
        points = f"{earned(result)}/{check.points}"
        self.console.print(Text.assemble(
            "  ", (f"{check.id:6}", "bold"), f"{shorten(check.title, TITLE):{TITLE}}",
            f"{points:>8}", f"{result.seconds:7.2f} s  ", (result.outcome, colour(result))))
        self.tick()

    def lab_ended(self, result: LabResult) -> None:
        self.close()
        self.console.print()
        if result.build_errors:
            return
        for check in result.checks:
            if not check.passed:
                self.explain(check)

    def close(self) -> None:
        """Take the moving line away."""
        if self.live:
            self.live.stop()
            self.live = None

    def explain(self, result: CheckResult) -> None:
        """A lost check: what was seen, what was expected, and how to see it again."""
        check = result.check
        self.console.print(Text.assemble(
            (f"{check.id}  {check.title}", "bold"), f"  {earned(result)}/{check.points}  ",
            (result.outcome, colour(result))))
        if result.outcome == INTERNAL:
            self._item("", "This is a bug of the grader, not of your kernel. Please report it.")
        if result.outcome == CANNOT:
            self._item("", "This machine cannot grade it, which says nothing about your kernel.")
        self._item("seen", result.seen)
        self._item("expected", result.expected)
        for number, line in enumerate(result.details):
            self._item("" if number else "details", line or " ")
        self._item("hint", result.hint)
        self._item("alone", self.request.command("grade", check.id, here=True))
        self._item("in gdb", self.request.command("debug", check.id, here=True))
        self.console.print()

    def scores(self, results: Results) -> None:
        """The table at the end, and the one sentence below it. What was not graded has no score."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("lab", no_wrap=True)
        table.add_column("points by exercise")
        table.add_column("score", justify="right", no_wrap=True)
        for lab in results.labs:
            by_exercise = "  ".join(f"{each}: {points}/{maximum}".replace(" ", "\u00a0")
                                    for each, (points, maximum) in lab.exercises.items())
            if lab.absent:
                by_exercise = ABSENT
            if not lab.graded:
                table.add_row(lab.name, "not graded", "–")
                continue
            table.add_row(lab.name, by_exercise, f"{lab.score}/{lab.maximum}",
                          style="green" if lab.score == lab.maximum else "")
        if len(results.labs) > 1 and results.graded:
            table.add_row("all", "", f"{results.score}/{results.maximum}", style="bold")
        self.console.print(table, soft_wrap=False)
        if self.request.tests:
            self.console.print(Text(f"This is the score of {', '.join(self.request.tests)} alone."))
        for line in no_box(self.request):
            self.console.print(Text(f"{line}: whatever the tree contains could have changed this "
                                    "score.", "magenta"))
        if not results.graded:
            self.console.print(Text("Not all could be graded: there is no score, and there are no "
                                    "result files.", "magenta"))
        self.console.print()

    def _progress(self, words: str) -> None:
        if self.live:
            self.live.update(Text(f"  {self.done}/{self.total}  {words}", "dim", no_wrap=True,
                                  overflow="ellipsis"), refresh=True)

    def _item(self, label: str, words: str) -> None:
        """A labelled paragraph. In a pipe a line stays a line."""
        if not words:
            return
        for number, line in enumerate(printable(words).splitlines()):
            name = "" if number else label
            if self.console.is_terminal:
                grid = Table.grid(padding=0)
                grid.add_column(width=LABEL)
                grid.add_column(overflow="fold")
                grid.add_row(Text(name, "cyan"), Text(line))
                self.console.print(Padding(grid, (0, 0, 0, 2)))
            else:
                self.console.print(f"  {name:{LABEL}}{line}")


def colour(result: CheckResult) -> str:
    """Green, red; and another for what says nothing about the submission."""
    if result.passed:
        return "green"
    return "red" if result.graded else "magenta"


def earned(result: CheckResult) -> str:
    """The points of a check; none are lost where it could not be graded."""
    return str(result.points) if result.graded else "–"


def shorten(words: str, width: int) -> str:
    return words if len(words) <= width else words[:width - 1] + "…"
