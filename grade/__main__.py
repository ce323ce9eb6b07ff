"""`python3 -m grade`: what `make grade` and `make debug` call. Exit status 0: full marks of what
was asked; 1: points were lost; 2: it could not grade; 130: interrupted."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.text import Text

from grade.build import ROOT
from grade.catalog import check_files, load, named_checks
from grade.errors import CannotGrade
from grade.options import Options
from grade.plugin import Grading
from grade.pool import interrupt
from grade.report import Report, make_console
from grade.results import Results, discard, write

CANNOT, INTERRUPTED = 2, 130

# Nothing of pytest that would read or write a file, capture, or print: the project's settings and
# conftest.py are for plain pytest. Plugins that happen to be installed stay out (see main).
QUIET = ["-c", os.devnull, "--rootdir", str(ROOT), "--noconftest", "-p", "grade.plugin",
         "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:capture", "-p", "no:logging",
         "-p", "no:junitxml", "-p", "no:faulthandler", "-p", "no:warnings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; every way in which that can go wrong ends here, in words."""
    console = make_console()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        options = Options.parse(arguments)
        if options.debug:
            from grade.debug import debug
            return debug(options, console)
        return grade(options, console)
    except CannotGrade as refusal:
        console.print(Text(f"Cannot grade: {refusal}", "red"))
    except KeyboardInterrupt:
        console.print(Text("Interrupted. Nothing is left running.", "red"))
        return INTERRUPTED
    except BrokenPipeError:  # `make grade | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except PermissionError as error:
        console.print(Text(f"Cannot grade: {error.strerror}: {error.filename}", "red"))
    except Exception:
        console.print(Text("The grader has a bug (this says nothing about your kernel). "
                           "Please report what follows.", "magenta"))
        console.print(Text(traceback.format_exc()))
    return CANNOT


def grade(options: Options, console: Console) -> int:
    """Grade what is asked for, report, and write the results, also of a run cut short."""
    discard(options.out)
    numbers = options.labs()
    if options.tests:
        load(numbers[0])
        named_checks(numbers[0], options.tests)
    results = Results(options.request)
    report = Report(console, options.request)
    grading = Grading(options, numbers, results, report)
    try:
        run_pytest(grading, numbers)
        results.complete = True
    finally:
        report.close()
        write(results, options.out)
    report.scores(results)
    return results.exit_status


def run_pytest(grading: Grading, numbers: Sequence[int]) -> None:
    """Let pytest collect the labs' checks and hand its loop to grading; raise what that met."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    files = [str(check_files()[number]) for number in numbers]
    status = pytest.main([*QUIET, *files], plugins=[grading])
    if grading.problem:
        raise grading.problem
    if grading.broken:
        raise RuntimeError("pytest could not collect the checks:\n" + "\n".join(grading.broken))
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest ended with {status!r}")


if __name__ == "__main__":
    sys.exit(main())
