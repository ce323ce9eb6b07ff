"""`python3 -m grade`: what `make grade` and `make debug` call. Exit status 0: full marks of what
was asked; 1: points were lost; 2: it could not grade; 130: interrupted.

Points are lost only for what a kernel did. So whatever else can go wrong ends here, in words and
with a 2: a library that is missing or too old, a terminal that takes no words, a full disk. Nothing
but Python's own library is imported before that is sure, and of that nothing that opens files."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata

from grade.errors import CANNOT, INTERRUPTED, BadSubmission, CannotGrade, host_fault, printable

LIBRARIES = ("pytest", "pyelftools", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    return told("grade", lambda: grade(arguments))


def grade(arguments: Sequence[str] | None) -> int:
    """Grade or debug."""
    check_libraries(LIBRARIES)
    from grade.command import command
    return command(arguments)


def told(what: str, act: Callable[[], int]) -> int:
    """Do what is asked, and see that whoever asked is told. `what` is the verb for it."""
    try:
        make_streams_sure(what)
        status = run(what, act)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `make grade | head`: nobody reads any more
        give_up(1)
    except OSError as error:
        give_up(1)
        complain(f"Cannot {what}: the report cannot be written: {error.strerror}")
    return CANNOT


def run(what: str, act: Callable[[], int]) -> int:
    """Every way in which it can go wrong ends here, in words."""
    try:
        from grade.pool import interrupt
        signal.signal(signal.SIGTERM, interrupt)
        return act()
    except BadSubmission as refusal:
        for problem in refusal.problems:
            say(problem if problem.startswith("…") else f"Problem with the submission: {problem}")
    except CannotGrade as refusal:
        say(f"Cannot {what}: {refusal}")
    except KeyboardInterrupt:
        say("Interrupted. Nothing is left running.")
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError):
            raise
        if not host_fault(error):
            say("The grader has a bug (this says nothing about your kernel). "
                "Please report what follows.")
            say(traceback.format_exc())
        else:
            say(f"Cannot {what}: {host_fault(error)}")
    return CANNOT


def make_streams_sure(what: str) -> None:
    """What is printed can be printed: a character that an encoding lacks becomes another. What a
    parent closed is opened on nothing, so that no file of ours gets its number; but without an
    output to report to, there is nothing to do."""
    warnings.resetwarnings()
    warnings.simplefilter("ignore")  # PYTHONWARNINGS=error would make failures of remarks
    streams = (sys.stdin, sys.stdout, sys.stderr)
    closed = [number for number in range(3) if streams[number] is None or not is_open(number)]
    for number in closed:
        give_up(number)
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    if 1 in closed:
        complain(f"Cannot {what}: there is no output to write the report to")
        nobody, output = os.pipe()
        os.close(nobody)
        os.dup2(output, 1)
        os.close(output)
        sys.stdout = open(1, "w", closefd=False)  # the first word on it ends the run
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
        return True
    except OSError:
        return False


def give_up(number: int) -> None:
    """Let a stream end in nothing: neither now nor at the end of Python shall it fail again."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(nothing, number)
        os.close(nothing)


def check_libraries(names: Sequence[str]) -> None:
    """Refuse libraries that the grader would crash in. tools/versions has the numbers."""
    from grade.toolchain import minimum, numbers
    for name in names:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise CannotGrade(f"Python's library {name} is missing; `make setup` installs it"
                              ) from None
        if numbers(found) < numbers(minimum(name)):
            raise CannotGrade(f"Python's library {name} is version {found}, and {minimum(name)} or "
                              "newer is needed")


def say(words: str) -> None:
    print("\n".join(map(printable, words.splitlines())), flush=True)


def complain(words: str) -> None:
    try:
        print(words, file=sys.stderr, flush=True)
    except OSError:
        give_up(2)


if __name__ == "__main__":
    sys.exit(main())
