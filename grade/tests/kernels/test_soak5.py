"""Processes in great numbers: no panic, no frame lost, and the same seed gives the same answers."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from grade import toolchain
from grade.build import build
from grade.lab import Lab
from grade.machine import layout
from grade.machine.machine import Limits, Module
from grade.programs.linux import is_oracle
from grade.tests import HANGING
from grade.tests.kernels.grading import LABS, SEED, WORK, remember
from grade.tree import ROOT, lab_directory

SOURCES = ROOT / "grade/programs/processes"
USER = ROOT / "common/user"
FLAGS = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin",
         "-fno-pic", "-fno-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
         "-fcf-protection=none", f"-I{USER}/include", "-nostdlib", "-static",
         "-Wl,-z,max-page-size=0x1000", "-Wl,-z,noexecstack", "-Wl,--build-id=none",
         f"-Wl,-T,{USER}/user.ld")
LIMITS = Limits(cpu=300.0, exceptions=1 << 30, flood=1 << 24)
REPORT = re.compile(r"^processes: (\d+); frames: (\d+) free before, (\d+) after$", re.M)
CHECKSUM = re.compile(r"^checksum: (0x[0-9a-f]+)$", re.M)
WITH_PROCESSES = [lab for lab in LABS if lab >= 5]


def make(name: str, way: str = "SYSCALL") -> bytes:
    """A program of grade/programs/processes, its system calls made this way."""
    made = WORK / "soak5" / f"{name}-{way}.elf"
    made.parent.mkdir(parents=True, exist_ok=True)
    start = made.with_suffix(".start.o")
    subprocess.run(["nasm", "-f", "elf64", f"-DSYSCALL_BY_{way}", "-o", start, USER / "start.asm"],
                   check=True)
    subprocess.run([toolchain.tool("gcc"), *FLAGS, "-o", made, start, USER / "library.c",
                    SOURCES / f"{name}.c"], check=True)
    return made.read_bytes()


def reference(lab: int, tmp_path: Path) -> Lab:
    directory = lab_directory(ROOT, lab)
    return Lab(ROOT, directory, build(directory, tmp_path / "build"), SEED)


def run(lab: Lab, program: bytes, line: str) -> tuple[str, int, float]:
    """One boot: what was printed, how many processes there were, and the seconds it took."""
    began = time.monotonic()
    with lab.boot(modules=[Module(program, line)], limits=LIMITS) as machine:
        machine.session.log_events("cpu_reset")  # not each of a million interrupts
        machine.run_to("kernel_ready")
        before = machine.call("frames_free")
        machine.run_to("machine_exit")
        assert machine.call("frames_free") == before
        machine.run_to_exit(layout.EXIT_OK)
        text = machine.console.text
    report = REPORT.search(text)
    assert report and report[2] == report[3] == str(before), text[-500:]
    return text, int(report[1]), time.monotonic() - began


@pytest.mark.parametrize("number", WITH_PROCESSES)
def test_ten_thousand_forks(number: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text, processes, seconds = run(reference(number, tmp_path), make("forks"), "forks 10000")
    assert "wrong: 0\n" in text and "forks: exited with status 0" in text
    assert processes == 10_002  # the children, their parent, and the baseline
    remember(request, "soak", f"lab {number}  10000 forks in one boot: {seconds:.1f} s")


@pytest.mark.parametrize("number", WITH_PROCESSES)
def test_same_seed_same_answers(number: int, tmp_path: Path,
                                request: pytest.FixtureRequest) -> None:
    """Six processes at once, whose turns the timer ends where it likes. Linux agrees too."""
    lab, sums = reference(number, tmp_path), []
    for way, seed in (("SYSCALL", 1), ("SYSCALL", 1), ("INT80", 1), ("SYSCALL", 2)):
        text, processes, seconds = run(lab, make("mix", way), f"mix {seed} 2000")
        sums += CHECKSUM.findall(text)
        remember(request, "soak", f"lab {number}  a mix of calls by {way}, seed {seed}: "
                 f"{processes} processes, {seconds:.1f} s, checksum {sums[-1]}")
    assert len(sums) == 4 and sums[0] == sums[1] == sums[2] != sums[3]
    if is_oracle():
        assert on_linux(make("mix"), tmp_path / "mix", "1", "2000") == sums[0]


def on_linux(program: bytes, file: Path, *arguments: str) -> str:
    """The checksum of the same file here: every result was as Linux has it."""
    file.write_bytes(program)
    file.chmod(0o755)
    nothing: dict[str, str] = {}
    done = subprocess.run([str(file), *arguments], env=nothing, timeout=HANGING, check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return CHECKSUM.findall(done.stdout)[0]
