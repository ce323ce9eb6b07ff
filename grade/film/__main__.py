"""`python3 -m grade.film`: what `make film` calls. Exit status 0: filmed, and all is as it should
be; 1: a film ends in a fault, or the kernel does not come to the scene; 2: this machine, or what
was asked for, is not good for a film."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from grade.__main__ import LIBRARIES, check_libraries, told


def main(arguments: Sequence[str]) -> int:
    return told("film", lambda: film(arguments))


def film(arguments: Sequence[str]) -> int:
    check_libraries((*LIBRARIES, "capstone", "jinja2"))
    from grade.film.command import main as command
    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
