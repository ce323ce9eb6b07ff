"""How a tool ends: with a status and in words, also where its terminal is closed or a disk is full.

0: done; 1: the answer is no (the kernel panicked, say); 2: it could not be done here.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from grade.errors import CANNOT, INTERRUPTED, BadSubmission, CannotGrade


class Refusal(Exception):
    """What was asked for cannot be done; says why, and what a person can do about it."""


def say(text: str) -> None:
    """Tell the person, who may have closed that door."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="backslashreplace"))


def run(name: str, main: Callable[[], int]) -> NoReturn:
    """Do what a tool does, and end with its status."""
    try:
        open_what_is_closed()
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `make diff | head`: the reader has what it wanted
        status = 0
    except KeyboardInterrupt:
        status = INTERRUPTED
    except (Refusal, CannotGrade, BadSubmission) as refusal:
        say(f"{name}: {refusal}")
        status = CANNOT
    except OSError as error:
        about = f": {error.filename}" if error.filename else ""
        say(f"{name}: {error.strerror or error}{about}")
        status = CANNOT
    forget_what_cannot_be_written()
    sys.exit(status)


def forget_what_cannot_be_written() -> None:
    """Python would try again when it ends, and complain."""
    try:
        if sys.stdout:  # there is none if it was closed
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def open_what_is_closed() -> None:
    """A number below 3 that is free would be the next file's, and then text would go there."""
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            os.open(os.devnull, os.O_RDWR)
    if 1 in closed:
        raise Refusal("the standard output is closed; nothing could be shown")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
