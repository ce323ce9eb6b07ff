"""Whatever becomes of the grader, no QEMU and no directory is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grade.errors import BadMachine
from grade.machine import qemu
from grade.machine.machine import Machine
from grade.tests import HANGING

ROOT = Path(__file__).resolve().parents[3]
GRADER = """
import sys, time
from pathlib import Path
from grade.machine.machine import Machine
with Machine(Path(sys.argv[1])) as m:
    m.run_to("kmain")
    print(m.session.qemu.pid, m.session.qemu.directory, flush=True)
    time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Whether the process exists, and not only as a zombie that nobody has asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, patience: float = HANGING) -> bool:
    deadline = time.monotonic() + patience
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def start_grader(kernel: Path) -> tuple[subprocess.Popen[str], int, Path]:
    """A grader with a running machine, in a process of its own."""
    grader = subprocess.Popen([sys.executable, "-c", GRADER, str(kernel)], text=True, cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert grader.stdout
    pid, directory = grader.stdout.readline().split()
    assert alive(int(pid)) and Path(directory).exists()
    return grader, int(pid), Path(directory)


def test_an_exception_ends_the_machine(kernel: Path) -> None:
    with pytest.raises(RuntimeError), Machine(kernel) as m:
        pid, directory = m.session.qemu.pid, m.session.qemu.directory
        assert alive(pid)
        raise RuntimeError
    assert gone(pid) and not directory.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_grader_ends_the_machine(kernel: Path, number: signal.Signals) -> None:
    grader, pid, directory = start_grader(kernel)
    grader.send_signal(number)
    grader.communicate()
    assert gone(pid)
    if number == signal.SIGINT:
        assert not directory.exists()
    else:
        qemu._sweep.cache_clear()
        qemu._sweep()
        assert not directory.exists(), "the next grader clears up after one that was killed"


def test_a_running_graders_directory_is_left_alone(kernel: Path) -> None:
    with Machine(kernel) as m:
        qemu._sweep.cache_clear()
        qemu._sweep()
        assert m.session.qemu.directory.exists()


def test_no_file_descriptor_leaks(kernel: Path) -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))
    with Machine(kernel) as m:
        m.run_to("kmain")
    before = opened()
    for _ in range(3):
        with Machine(kernel) as m:
            m.run_to("kmain")
            m.phys.u64(0)
    del m
    assert opened() <= before


def test_nothing_grows_on_disk(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to_exit(0x10)
        files = [path.name for path in m.session.qemu.directory.iterdir() if path.is_file()]
    assert files == []


def test_qemu_that_cannot_start_says_why(kernel: Path, tmp_path: Path) -> None:
    with pytest.raises(BadMachine, match="no-such-cpu"), \
            Machine(kernel, cpu="max,no-such-cpu=on", cache=tmp_path):
        pass


def test_long_temporary_directory(kernel: Path, tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with Machine(kernel) as m:
        m.run_to("kmain")
