"""`make grade` and `make debug`: what is asked, pytest around the checks, the report, the files."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.text import Text

from grade.boxes import Boxes
from grade.catalog import check_files, load, named_checks
from grade.errors import BadSubmission
from grade.options import Options
from grade.plugin import Grading
from grade.report import Report, make_console
from grade.results import Results, alone, discard, write, write_problem
from grade.tree import ROOT

# The report is ours, and so are the files; the project's settings and conftest.py are for plain
# pytest. Plugins that happen to be installed stay out (see pytest_run).
OURS = ["-c", os.devnull, "--rootdir", str(ROOT), "--noconftest", "-p", "grade.plugin",
        "-p", "no:terminal", "-p", "no:cacheprovider", "--capture=no"]


def command(arguments: Sequence[str] | None) -> int:
    """Do what the words ask for."""
    console = make_console()
    options = Options.parse(arguments)
    if options.debug:
        from grade.debug import debug
        return debug(options, console)

    def wait() -> None:
        console.print(Text(f"Another run is grading and writes to {options.out}; this one waits "
                           "for it. (--out DIR gives it a directory of its own.)"))

    with alone(options.out, wait):
        discard(options.out)
        try:
            return grade(options, console)
        except BadSubmission as refusal:
            write_problem(str(refusal), options.out)
            raise


def grade(options: Options, console: Console) -> int:
    """Grade what is asked for, report, and then write the results, if all was graded and the report
    could be written; also those of a run that was interrupted."""
    numbers = options.labs()
    if options.tests:
        load(numbers[0])
        named_checks(numbers[0], options.tests)
    options.submission  # looked at before anything is said
    results = Results(options.request)
    report = Report(console, options.request)
    try:
        if options.boxed:
            with Boxes(options, report) as boxes:
                for number in numbers:
                    results.labs.append(boxes.grade(number))
        else:
            pytest_run(Grading(options, numbers, results, report), numbers)
    except KeyboardInterrupt:
        report.close()
        write(results, options.out)
        raise
    finally:
        report.close()
    results.complete = True
    report.scores(results)
    if results.graded:
        write(results, options.out)
    return results.exit_status


def pytest_run(grading: Grading, numbers: Sequence[int]) -> None:
    """Let pytest collect the labs' checks and hand its loop to grading; raise what that met."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for variable in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DEBUG"):
        os.environ.pop(variable, None)
    files = [str(check_files()[number]) for number in numbers]
    status = pytest.main([*OURS, *files], plugins=[grading])
    if grading.problem:
        raise grading.problem
    if grading.broken:
        raise RuntimeError("pytest could not collect the checks:\n" + "\n".join(grading.broken))
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest ended with {status!r}")
