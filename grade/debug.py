"""`make debug LAB=n TEST=T2.3`: one check, stopped at the function it is about, under gdb."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from grade import toolchain
from grade.catalog import lab_name, load, named_checks
from grade.check import Check
from grade.errors import CANNOT, CannotGrade, MissingTool, printable
from grade.lab import Lab
from grade.machine.handover import DEBUG_AT, HandOver
from grade.options import Options
from grade.report import Report
from grade.run import ready_lab, run_check
from grade.tree import ROOT

COMMANDS = ROOT / "common" / "gdb" / "rung.py"


def debug(options: Options, console: Console) -> int:
    """Run the one check until it reaches its function, then leave the machine to a person."""
    check = the_check(options)
    if not shutil.which(toolchain.gdb()):
        raise MissingTool(toolchain.gdb())
    report = Report(console, options.request)
    submission = options.submission
    if check.lab not in submission.labs:
        raise CannotGrade(f"there is no {lab_name(check.lab)} in the tree")
    lab, outcome, errors = ready_lab(submission, check.lab, options)
    if not lab:
        report.built(0, outcome, errors)
        return 1
    console.print(Text.assemble((f"{check.id}  {check.title}", "bold"), f"  seed {options.seed}"))
    return reach(check, lab.for_check(check), console, report)


def the_check(options: Options) -> Check:
    """The one check that is to be debugged."""
    number = options.labs()[0]
    load(number)
    checks = named_checks(number, options.tests)
    if len(checks) != 1:
        raise CannotGrade("debugging takes one check: make debug LAB=2 TEST=T2.3")
    return checks[0]


def reach(check: Check, lab: Lab, console: Console, report: Report) -> int:
    """Run the check as far as its function. It may well end before."""
    handed: list[HandOver] = []

    def body(lab: Lab) -> None:
        try:
            check.body(lab)
        except HandOver as stop:
            handed.append(stop)

    os.environ[DEBUG_AT] = check.debug_at
    try:
        result = run_check(replace(check, body=body), lab)
    finally:
        del os.environ[DEBUG_AT]
    if handed:
        return converse(handed[0], check, lab, console)
    console.print(Text(f"The check ended ({result.outcome}) and never came to {check.debug_at}."))
    console.print()
    if not result.passed:
        report.explain(result)
    return 0 if result.passed else 1 if result.graded else CANNOT


def converse(stop: HandOver, check: Check, lab: Lab, console: Console) -> int:
    """gdb on the machine, until the person leaves it; then the machine is ended."""
    console.print(Text(
        f"The machine stands at {stop.machine.where(stop.machine.sym(stop.place))}, the "
        f"function that {check.id} is about, where the check brought it.\n"
        "bt: who called it; next: a line; finish: to its end; p name: a value; quit: leave.\n"
        f"To go backwards, from the end of a run: make rewind LAB={check.lab}.\n"
        f"What the kernel prints from now on: {stop.serial_log}"))
    # Ctrl-C is for gdb, which stops the running kernel. A handler of ours is not inherited by it.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return subprocess.call(gdb_command(stop, lab))
    finally:
        signal.signal(signal.SIGINT, before)
        said = printable(stop.machine.console.text)
        stop.end()
        if said.strip():
            console.print(Text("What the kernel printed:", "bold"))
            console.print(Text(said))


def gdb_command(stop: HandOver, lab: Lab) -> list[str]:
    """gdb with the kernel's symbols and Rung's own commands, attached. A person's .gdbinit may set
    an architecture, or anything else that does not go with this machine: -nx."""
    words = [toolchain.gdb(), "-nx", "-q", "-ex", "set confirm off", "-ex", "set pagination off",
             "-ex", "set backtrace limit 64",
             "-ex", f"directory {lab.tree}"]
    if COMMANDS.exists():
        words += ["-ex", f"source {COMMANDS}"]
    return [*words, "-ex", f"target remote {stop.gdb_path}", str(stop.kernel)]
