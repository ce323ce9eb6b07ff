"""`python3 -m grade.film`: what `make film` calls. Exit status 0: filmed, and all is as it should
be; 1: a film ends in a fault, or the kernel does not come to the scene; 2: this machine, or what
was asked for, is not good for a film."""

from __future__ import annotations

import importlib.util
import sys

from grade.__main__ import CANNOT, INTERRUPTED, check_libraries, make_streams_sure, say
from grade.errors import BadSubmission, CannotGrade, host_fault

LIBRARIES = {"capstone": "python3-capstone", "jinja2": "python3-jinja2"}


def main(arguments: list[str]) -> int:
    """Do what is asked; every way in which that can go wrong ends here, in words."""
    make_streams_sure()
    try:
        check_libraries()
        for name in LIBRARIES:
            if importlib.util.find_spec(name) is None:
                raise CannotGrade(f"Python's library {name} is missing; `make setup` installs it")
        from grade.film.command import main as film
        return film(arguments)
    except BadSubmission as refusal:
        for problem in refusal.problems:
            say(f"Problem with the submission: {problem}")
    except CannotGrade as refusal:
        say(f"Cannot film: {refusal}")
    except KeyboardInterrupt:
        say("Interrupted. Nothing is left running.")
        return INTERRUPTED
    except OSError as error:
        if not host_fault(error):
            raise
        say(f"Cannot film: {host_fault(error)}")
    return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
