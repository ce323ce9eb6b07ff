"""PCIDs, which QEMU's TCG does not have: played by the grader, and in Bochs if it is installed."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from grade.lab6.pcid import Processor
from grade.lab6.state import boot
from grade.lab6.visits import check_switches
from grade.machine import Module
from grade.tests import HANGING
from grade.tests.kernels.grading import LABS, remember
from grade.tests.kernels.test_machines import lab_with_disc
from grade.tests.kernels.test_soak5 import CHECKSUM, LIMITS, REPORT, make, reference

PATIENCE = HANGING
BOCHS = """
plugin_ctrl: serial=1
display_library: term
cpu: model={model}, count=1, ips=50000000
memory: guest=64, host=64
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path={disc}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
log: {log}
"""
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
            machine.run_to_exit(lab.constants["EXIT_OK"])
            text = machine.console.text
        report = REPORT.search(text)
        assert report and report[2] == report[3], text[-500:]
        sums += CHECKSUM.findall(text)
    assert processor and len(sums) == 2 and sums[0] == sums[1]
    check_switches(processor)
    remember(request, "PCIDs", f"a mix of calls by {way}: "
             f"{sum(processor.switches.values())} loads of CR3, nothing stale")


@ONLY_6
@pytest.mark.skipif(not shutil.which("bochs-bin") and not shutil.which("bochs"),
                    reason="Bochs is not installed (Debian: bochs, bochs-term)")
@pytest.mark.parametrize("model, pcids", [("corei7_haswell_4770", True),
                                          ("corei7_sandy_bridge_2600k", False)])
def test_bochs(model: str, pcids: bool, tmp_path: Path) -> None:
    """A processor with both, and one with PCIDs only. (Bochs checks what is loaded into CR3 and
    CR4, and INVPCID; its TLB forgets more than it must.)"""
    _, disc = lab_with_disc(6)
    text = in_bochs(model, disc, tmp_path)
    assert re.search(r"^process 2 hello: exited with status 0$", text, re.M), text
    assert ("kernel CR3=" in text, ", PCIDs" in text) == (True, pcids), text


def in_bochs(model: str, disc: Path, directory: Path) -> str:
    """Boot a disc; what the kernel says on the serial port, until it is done."""
    serial, log, configuration = (directory / name for name in ("serial", "log", "bochsrc"))
    configuration.write_text(BOCHS.format(model=model, disc=disc, serial=serial, log=log))
    program = shutil.which("bochs-bin") or "bochs"
    screen, terminal = pty.openpty()
    os.write(screen, b"c\n")  # if it was built with its debugger, that waits for a command
    bochs = subprocess.Popen([program, "-q", "-f", configuration], cwd=directory, stdin=terminal,
                             stdout=terminal, stderr=terminal, start_new_session=True,
                             env={**os.environ, "TERM": "xterm"})
    try:
        return wait_for_end(bochs, serial, screen)
    finally:
        bochs.kill()
        bochs.wait()
        os.close(screen)
        os.close(terminal)


def wait_for_end(bochs: subprocess.Popen[bytes], serial: Path, screen: int) -> str:
    os.set_blocking(screen, False)
    deadline, said, text = time.monotonic() + PATIENCE, b"", ""
    while time.monotonic() < deadline:
        time.sleep(0.2)
        try:
            said += os.read(screen, 1 << 16)  # or it would wait for its terminal
        except BlockingIOError:
            pass
        text = serial.read_text(errors="replace") if serial.exists() else ""
        if re.search(r"^(Rung lab 6: done|PANIC:.*)$", text, re.M):
            return text
        if bochs.poll() is not None:
            if b"display library 'term' not available" in said:
                pytest.skip("Bochs has no display for a terminal (Debian: bochs-term)")
            break
    raise AssertionError(f"Bochs ended, or was too slow: {said[-500:]!r}\n{text}")
