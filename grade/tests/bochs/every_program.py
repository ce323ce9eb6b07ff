"""Every hostile program in Bochs, on two makers' processors. It takes minutes, so only `make bochs`
runs it: pytest does not collect a file of this name unless it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from grade.programs import hostile_suite
from grade.programs.processors import AMD, INTEL
from grade.tests.bochs.bochs import ICE_LAKE, RYZEN
from grade.tests.bochs.running import run
from grade.tests.bochs.test_bochs import pytestmark  # noqa: F401: skips without Bochs
from grade.tests.kernels.grading import remember
from grade.tests.kernels.test_hostile import MANY, differences, few_of_each, reference

MOST = 1000  # runs of one program; in lab 4 each is a module of its own, which the firmware reads


@pytest.mark.parametrize("int80", [False, True], ids=["syscall", "int80"])
@pytest.mark.parametrize("model, machine", [(ICE_LAKE, INTEL), (RYZEN, AMD)])
@pytest.mark.parametrize("lab", MANY)
def test_every_program(lab: int, model: str, machine: str, int80: bool, tmp_path: Path,
                       request: pytest.FixtureRequest) -> None:
    runs = list(few_of_each(hostile_suite(lab), 2 if lab == 4 else MOST))
    seen = run(reference(lab), runs, tmp_path, model, int80=int80).fates
    assert differences(runs, seen, machine) == []
    remember(request, "Bochs", f"lab {lab}  {len(runs)} runs by {'int 80' if int80 else 'SYSCALL'} "
             f"on {model}")
