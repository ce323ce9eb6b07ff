"""The fixture that the tests of the grader's own machinery share."""

from __future__ import annotations

from pathlib import Path

import pytest

from grade.tests.core.course import Course


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course whose checks all pass until a test says otherwise."""
    return Course(tmp_path)
