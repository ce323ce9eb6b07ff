"""PCIDs, which QEMU's TCG does not have: played by the grader. (Bochs has them: tests/bochs.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from grade.lab6.pcid import Processor
from grade.lab6.kernel import boot
from grade.lab6.exposure import check_switches
from grade.machine import Module, layout
from grade.tests.kernels.grading import LABS, remember
from grade.tests.kernels.test_soak5 import CHECKSUM, LIMITS, REPORT, make, reference

ONLY_6 = pytest.mark.skipif(6 not in LABS, reason="lab 6 is not there")


@ONLY_6
@pytest.mark.parametrize("way", ("SYSCALL", "INT80"))
def test_a_mix_of_calls_with_pcids(way: str, tmp_path: Path,
                                   request: pytest.FixtureRequest) -> None:
    """Six processes with all that lab 5 has: the same answers, and nothing stale is ever used."""
    lab, sums = reference(6, tmp_path), []
    for pcids in (False, True):
        with boot(lab, modules=[Module(make("mix", way), "mix 1 12")], limits=LIMITS) as machine:
            machine.run_to("kpti_init")
            processor = Processor(machine) if pcids else None
            machine.run_to_exit(layout.EXIT_OK)
            text = machine.console.text
        report = REPORT.search(text)
        assert report and report[2] == report[3], text[-500:]
        sums += CHECKSUM.findall(text)
    assert processor and len(sums) == 2 and sums[0] == sums[1]
    check_switches(processor)
    remember(request, "PCIDs", f"a mix of calls by {way}: "
             f"{sum(processor.switches.values())} loads of CR3, nothing stale")
