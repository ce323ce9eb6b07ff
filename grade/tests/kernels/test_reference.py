"""The reference solutions have full marks, whatever compiles them, and without a warning."""

from __future__ import annotations

import itertools

import pytest

from grade.tests.kernels.grading import LABS, grade, lost, remember
from grade.tree import ROOT

COMPILERS = ("gcc", "clang")
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
BOTH = ("-O2",)


def ways() -> list[tuple[int, str, str]]:
    """Each lab at each level; but for -O2, one lab by one compiler, the next by the other,
    and at the next level the other way round."""
    return [(lab, cc, opt) for lab, (i, cc), (level, opt)
            in itertools.product(LABS, enumerate(COMPILERS), enumerate(LEVELS))
            if opt in BOTH or (lab + i + level // 2) % 2]


@pytest.mark.parametrize("lab, cc, opt", ways())
def test_full_marks(lab: int, cc: str, opt: str, request: pytest.FixtureRequest) -> None:
    result = grade(ROOT, lab, f"reference/lab{lab}-{cc}{opt}", cc=cc, opt=f"{opt} -Werror")
    remember(request, "reference solutions by compiler",
             f"lab {lab}  {cc:5} {opt}  {result.score:3}/{result.maximum}  "
             f"{len(result.checks)} checks in {result.seconds - result.build_seconds:.1f} s, "
             f"built in {result.build_seconds:.1f} s")
    assert result.score == result.maximum == 100, lost(result)
