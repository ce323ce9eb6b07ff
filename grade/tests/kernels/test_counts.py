"""Instructions of the null system call, in the reference: few, and known."""

from __future__ import annotations

import pytest

from grade.build import build
from grade.lab import Lab
from grade.lab4.count import null_calls
from grade.tests.kernels.grading import LABS, SEED, WORK, remember
from grade.tree import ROOT, lab_directory

MOST, ISOLATION = 61, 10  # what page-table isolation may add, from lab 6 on
LABS_WITH_SYSCALL = [lab for lab in LABS if lab > 3]


@pytest.mark.parametrize("cc", ("gcc", "clang"))
@pytest.mark.parametrize("lab", LABS_WITH_SYSCALL)
def test_null_system_call(lab: int, cc: str, request: pytest.FixtureRequest) -> None:
    directory = lab_directory(ROOT, lab)
    kernel = build(directory, WORK / f"counts/lab{lab}-{cc}", cc=cc)
    counts = null_calls(Lab(ROOT, directory, kernel, SEED))
    for how, count in counts.items():
        remember(request, "instructions of the null system call, getpid, stub and return included",
                 f"lab {lab}  {cc:5} -O2  {how:8} {count:4}")
    assert counts["SYSCALL"] <= MOST + (ISOLATION if lab > 5 else 0)
