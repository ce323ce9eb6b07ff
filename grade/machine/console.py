"""What the kernel printed on the serial port: bounded, and compared by whole lines in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Union

from grade.outcome import Failure, Outcome

FLOOD = 1 << 20
CONTEXT = 12
LONGEST = 160
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-Z]")

Pattern = Union[str, "re.Pattern[str]"]


class Console:
    """The text so far. More than FLOOD bytes are not kept: no sane kernel prints as much."""

    def __init__(self, limit: int = FLOOD) -> None:
        self._limit = limit
        self._data = bytearray()
        self.flooded = False

    def feed(self, data: bytes) -> None:
        space = self._limit - len(self._data)
        self._data += data[:space]
        self.flooded = self.flooded or len(data) > space

    def restart(self) -> None:
        """Forget what was printed, by firmware for instance."""
        self._data.clear()
        self.flooded = False

    @property
    def raw(self) -> bytes:
        return bytes(self._data)

    @property
    def text(self) -> str:
        """The text with line ends made \\n and a terminal's escape sequences taken out."""
        text = self._data.decode("utf-8", errors="replace").replace("\r\n", "\n")
        return ESCAPE.sub("", text)

    @property
    def lines(self) -> list[str]:
        """Whole lines without their ends; an unfinished last line counts as one."""
        return self.text.splitlines()

    def find(self, pattern: Pattern) -> str | None:
        """The first whole line that is, or matches, pattern."""
        return next((line for line in self.lines if _is(line, pattern)), None)

    def count(self, pattern: Pattern) -> int:
        return sum(_is(line, pattern) for line in self.lines)

    def tail(self, count: int = CONTEXT) -> list[str]:
        """The last lines, for a message: none longer than a person would read."""
        return [line[:LONGEST] + ("…" if len(line) > LONGEST else "")
                for line in self.lines[-count:]]

    def expect_in_order(self, patterns: Sequence[Pattern], hint: str = "") -> list[str]:
        """The lines that are, or match, the patterns: in this order, others may lie between."""
        lines, start = self.lines, 0
        found: list[str] = []
        for pattern in patterns:
            at = next((i for i in range(start, len(lines)) if _is(lines[i], pattern)), None)
            if at is None:
                raise self._missing(pattern, found, hint)
            found.append(lines[at])
            start = at + 1
        return found

    def _missing(self, pattern: Pattern, found: list[str], hint: str) -> Failure:
        wanted = pattern if isinstance(pattern, str) else f"/{pattern.pattern}/"
        after = f" after the line {found[-1]!r}" if found else ""
        if not self._data:
            return Failure(Outcome.SILENT, "nothing was printed", f"the line {wanted!r}", hint)
        again = " (it comes earlier)" if self.find(pattern) else ""
        return Failure(Outcome.WRONG, f"no line {wanted!r}{after}{again}",
                       f"the whole line {wanted!r}{after}", hint,
                       ["the last lines on the serial port:", *self.tail()])


def _is(line: str, pattern: Pattern) -> bool:
    if isinstance(pattern, str):
        return line == pattern
    return pattern.fullmatch(line) is not None
