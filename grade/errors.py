"""Why something could not be graded, as opposed to having lost points."""

from __future__ import annotations


class CannotGrade(Exception):
    """Nothing is known about the submission: exit status 2. The message is for the student."""


class MissingTool(CannotGrade):
    """A program that grading needs is not installed."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"missing tool: {tool} is not installed; `make setup` installs it")
        self.tool = tool


class BadMachine(CannotGrade):
    """QEMU, or the computer that it runs on, does not do its part. No kernel brings that about."""


class BuildFailed(Exception):
    """The submission does not build, which costs its points: exit status 1."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
