"""User programs that the grader supplies."""

from grade.programs.suite import hostile_suite

__all__ = ["hostile_suite"]
