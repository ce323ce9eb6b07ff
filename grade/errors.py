"""Why something could not be graded, as opposed to having lost points."""

from __future__ import annotations

import errno
from collections.abc import Sequence

CANNOT, INTERRUPTED = 2, 130  # exit statuses, beside 0 and 1, which are answers

# What a machine answers that has run out of something, or keeps something from us.
HOST_ERRORS = frozenset((
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE,
    errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP))


class CannotGrade(Exception):
    """Nothing is known about the submission: exit status 2. The message is for the student."""


class MissingTool(CannotGrade):
    """A program that grading needs is not installed."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"missing tool: {tool} is not installed; `make setup` installs it")
        self.tool = tool

    def __reduce__(self) -> tuple[object, ...]:
        return MissingTool, (self.tool,)


class BadMachine(CannotGrade):
    """QEMU, or the computer that it runs on, does not do its part. No kernel brings that about."""


class BadSubmission(CannotGrade):
    """The tree cannot be graded as it is: whoever handed it in must change what is named here."""

    SHOWN = 10

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - self.SHOWN
        self.problems = [*problems[:self.SHOWN], *([f"… and {more} more"] if more > 0 else [])]
        super().__init__("\n".join(self.problems))


class BuildFailed(Exception):
    """The submission does not build, which costs its points: exit status 1."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def host_fault(error: BaseException) -> str:
    """What the machine that grades lacks, in words; or "" for any other error."""
    if isinstance(error, MemoryError):
        return "there is not enough memory here"
    if isinstance(error, OSError) and error.errno in HOST_ERRORS:
        return ": ".join(str(part) for part in (error.strerror, error.filename) if part)
    return ""


def printable(words: str) -> str:
    """A student's console, and the names in a tree, may hold anything; nothing of it may steer the
    reader's terminal."""
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each)
                   for each in words.replace("\r\n", "\n").expandtabs())


def _escaped(character: str) -> str:
    """A character by its number. Python keeps a byte that is not UTF-8 as U+DC00 and the byte."""
    number = ord(character)
    return f"\\x{number - 0xdc00 if 0xdc80 <= number <= 0xdcff else number:02x}"
