"""`make debug TEST=…` has a function to stop at: the compiler has inlined none of them."""

from __future__ import annotations

import pytest

from grade.build import build
from grade.catalog import load
from grade.machine.symbols import load_symbols
from grade.tests.kernels.grading import LABS, WORK
from grade.tree import ROOT, lab_directory


@pytest.mark.parametrize("cc", ["gcc", "clang"])
@pytest.mark.parametrize("lab", LABS)
def test_every_check_has_its_function(lab: int, cc: str) -> None:
    made = build(lab_directory(ROOT, lab), WORK / f"debug-at/lab{lab}-{cc}", cc=cc)
    symbols = load_symbols(made.kernel)
    names = {symbol.name for symbol in symbols.elf.symbols}
    assert [f"{check.id}: {check.debug_at}" for check in load(lab)
            if check.debug_at not in names] == []
