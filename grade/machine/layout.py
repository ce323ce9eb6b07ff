"""The numbers that the course's headers give a name: the one place where Python has them from.

Each goes by its name in C: `layout.PAGE_SIZE`, `layout.SYS_write`, `layout.EFAULT`, and the errors
of error.h. They are those of the grader's own common/include, which every lab is built with,
whatever tree is graded. What a student may lay out otherwise, a structure or the length of a table,
is read from their kernel's debug information (structures.py). What no header has, because only the
processor's manual, a file format or Linux says it, stands where it is used."""

from __future__ import annotations

import functools
import re
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "common" / "include"
DEFINE = re.compile(r"^#define (\w+) (0x[0-9a-fA-F]+|[0-9]+)\b", re.M)
ERROR = re.compile(r'^    X\((\w+), "([^"]*)"\)', re.M)

PAGE: int  # a short name for what stands in half of all lines
WORD = 1 << 64  # as many values has a register


@functools.lru_cache(maxsize=None)
def numbers() -> dict[str, int]:
    """Every `#define NAME number`, and error_t, whose values follow each other from 0."""
    found = {name: int(number, 0) for header in sorted(INCLUDE.glob("*.h"))
             for name, number in DEFINE.findall(header.read_text())}
    return {**found, **{name: value for value, name in enumerate(error_words())}}


@functools.lru_cache(maxsize=None)
def error_words() -> dict[str, str]:
    """The words of each error, by its name, in the order of error.h."""
    return dict(ERROR.findall((INCLUDE / "error.h").read_text()))


def error_name(number: int) -> str:
    """The name of what a function returned: an enum has 32 bits. "" for what is no error."""
    return dict(enumerate(error_words())).get(number & 0xFFFF_FFFF, "")


def signal_name(number: int) -> str:
    """The name of a signal, such as SIGSEGV; "unknown"."""
    return next((name for name, value in numbers().items()
                 if name.startswith("SIG") and value == number), "unknown")


def signed(value: int) -> int:
    """A register as a signed number."""
    return value - WORD if value >> 63 else value


def __getattr__(name: str) -> int:
    """A name of the headers', for `layout.NAME` and for `from grade.machine.layout import NAME`."""
    try:
        return numbers()[name]
    except KeyError:
        raise AttributeError(f"no header in {INCLUDE} defines {name}") from None


PAGE = numbers()["PAGE_SIZE"]
