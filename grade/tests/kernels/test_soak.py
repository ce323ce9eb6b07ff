"""A million system calls by chance: no panic, no frame lost, and the same answers each time."""

from __future__ import annotations

import re
import time

import pytest

from grade.build import build
from grade.lab import Lab
from grade.machine import layout
from grade.machine.machine import Limits, Module
from grade.programs.running import run_all
from grade.programs.suite import BUILT, make_programs
from grade.tests.kernels.grading import SEED, WORK, remember
from grade.tree import ROOT, lab_directory

CHECKSUM = re.compile(r"^checksum: (0x[0-9a-f]+)$", re.M)
LIMITS = Limits(cpu=120.0, exceptions=1 << 30, flood=1 << 24)
SYSCALL, INT80 = "soak.elf", "soak-int80.elf"


def reference(lab: int) -> Lab:
    directory = lab_directory(ROOT, lab)
    return Lab(ROOT, directory, build(directory, WORK / f"soak/lab{lab}"), SEED)


def soak(lab: int, *runs: tuple[str, int, int]) -> list[str]:
    """The checksums of runs in one boot, each of a program, a seed, and so many calls."""
    make_programs()
    kernel = reference(lab)
    modules = [Module((BUILT / file).read_bytes(), f"soak {seed} {calls}")
               for file, seed, calls in runs]
    with kernel.boot(probe=True, modules=modules, limits=LIMITS) as machine:
        machine.session.log_events("cpu_reset")  # not each of a million interrupts
        run_all(machine, layout.EXIT_OK)
        return CHECKSUM.findall(machine.console.text)


def test_a_million_calls(request: pytest.FixtureRequest) -> None:
    began = time.monotonic()
    checksums = soak(4, (SYSCALL, SEED, 1_000_000))
    assert len(checksums) == 1
    remember(request, "soak", f"lab 4  1000000 calls in {time.monotonic() - began:.1f} s,"
             f" checksum {checksums[0]}")


def test_same_seed_same_answers() -> None:
    first, again, other_way, other_seed = soak(
        4, (SYSCALL, SEED, 100_000), (SYSCALL, SEED, 100_000), (INT80, SEED, 100_000),
        (SYSCALL, SEED + 1, 100_000))
    assert first == again == other_way
    assert other_seed != first


def test_lab3() -> None:
    assert soak(3, (INT80, SEED, 50_000)) == soak(3, (INT80, SEED, 50_000)) != []
