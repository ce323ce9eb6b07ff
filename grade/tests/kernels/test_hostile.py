"""Hostile programs: Linux, and every lab that runs programs, agree about what becomes of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from random import Random

import pytest

from grade.build import build
from grade.lab import Lab
from grade.machine import layout
from grade.machine.machine import Module
from grade.programs import hostile_suite
from grade.programs.gate import gate_program
from grade.programs.linux import NOT_LINUX, fate_on_linux, incomparable, is_oracle
from grade.programs.processors import DIFFERENCES, LINUX, MACHINES, accepted, this_qemu
from grade.programs.running import fates
from grade.programs.suite import Fate, Run, first_comment, sources
from grade.tests.kernels.grading import LABS, SEED, WORK, remember
from grade.tree import ROOT, lab_directory

MANY = [lab for lab in LABS if lab >= 4]  # they run program after program
PTI_OFF = {"cmdline": "pti=off"}
PARTS = 4  # lab 3 boots for each program
ENDS = re.compile(r"exit \d+|SIG[A-Z]+|not started")
CPU_MATTERS = {"iretq-ring3", "umip", "xsetbv"}  # without SMAP, UMIP, XSAVE
SIGILL, SIGSEGV = Fate(b"", "SIGILL"), Fate(b"", "SIGSEGV")


def reference(lab: int) -> Lab:
    directory = lab_directory(ROOT, lab)
    return Lab(ROOT, directory, build(directory, WORK / f"hostile/lab{lab}"), SEED)


def shuffled(runs: Iterable[Run]) -> list[Run]:
    """No program may count on the one before it."""
    order = list(runs)
    Random(SEED).shuffle(order)
    return order


def few_of_each(runs: Iterable[Run], most: int) -> Iterator[Run]:
    """In a random order, at most so many runs of each program."""
    count: dict[str, int] = {}
    for run in shuffled(runs):
        count[run.name] = count.get(run.name, 0) + 1
        if count[run.name] <= most:
            yield run


def differences(runs: Iterable[Run], seen: Iterable[Fate], machine: str | None = None) -> list[str]:
    """What came of runs otherwise than it may on this QEMU, or on another machine."""
    machine = machine or this_qemu()
    return [f"{run.title}: {fate}, expected {sorted(accepted(run, machine))} on {machine}"
            for run, fate in zip(runs, seen) if fate not in accepted(run, machine)]


def test_every_program_says_what_must_become_of_it() -> None:
    runs = hostile_suite()
    assert {run.name for run in runs} == {source.stem for source in sources()}
    assert len(sources()) >= 175
    assert len({run.title for run in runs}) == len(runs)
    for run in runs:
        assert ENDS.fullmatch(run.fate.end), run.title
    for source in sources():
        said = list(first_comment(source))
        assert any(line.startswith(f"{source.name}: ") for line in said[:2]), source


def test_what_linux_says_nothing_about_exists() -> None:
    runs = hostile_suite()
    assert set(NOT_LINUX) <= {run.name for run in runs} | {run.title for run in runs}


def test_the_list_of_differences_is_about_programs_and_machines() -> None:
    """What it says of this QEMU, the tests below prove: there its word is the only one."""
    runs = {name: run for run in hostile_suite() for name in (run.name, run.title)}
    for row in DIFFERENCES:
        assert row.fate != runs[row.title].fate, row.title
        assert row.machines and set(row.machines) <= set(MACHINES), row.title
    assert len({(row.title, machine) for row in DIFFERENCES for machine in row.machines}) \
        == sum(len(row.machines) for row in DIFFERENCES)


def test_a_qemu_that_nobody_has_measured_may_follow_the_manual() -> None:
    invd, exit_ = (next(run for run in hostile_suite() if run.name == name)
                   for name in ("invd", "exit"))
    assert {fate.end for fate in accepted(invd, "QEMU 99.0")} == {"SIGSEGV", "exit 99"}
    assert accepted(exit_, "QEMU 99.0") == {exit_.fate}
    assert {fate.end for fate in accepted(invd, "QEMU 7.2")} == {"SIGSEGV"}


def test_linux_may_run_on_any_processor() -> None:
    clgi = next(run for run in hostile_suite() if run.name == "clgi")
    assert {fate.end for fate in accepted(clgi, LINUX)} == {"SIGILL", "SIGSEGV"}
    assert {fate.end for fate in accepted(clgi, "QEMU 7.2")} == {"SIGILL"}


@pytest.mark.skipif(not is_oracle(), reason="Linux on x86-64 is the oracle")
def test_linux(request: pytest.FixtureRequest) -> None:
    runs = [run for run in hostile_suite() if not incomparable(run)]
    assert differences(runs, map(fate_on_linux, runs), LINUX) == []
    remember(request, "hostile programs", f"Linux  {len(runs):4} runs of "
             f"{len({run.name for run in runs})} programs")


@pytest.mark.parametrize("int80", [False, True], ids=["syscall", "int80"])
@pytest.mark.parametrize("lab", MANY)
def test_one_after_the_other(lab: int, int80: bool, request: pytest.FixtureRequest) -> None:
    runs = shuffled(hostile_suite(lab))
    assert differences(runs, fates(reference(lab), runs, int80=int80)) == []
    remember(request, "hostile programs", f"lab {lab}  {len(runs):4} runs of "
             f"{len({run.name for run in runs})} programs by {'int 80' if int80 else 'SYSCALL'}")


@pytest.mark.parametrize("int80", [False, True], ids=["syscall", "int80"])
def test_without_page_table_isolation(int80: bool) -> None:
    """Lab 6's kernel, as lab 5's would run them."""
    runs = shuffled(hostile_suite(6))
    assert differences(runs, fates(reference(6), runs, int80=int80, **PTI_OFF)) == []


@pytest.mark.parametrize("lab", MANY)
def test_a_processor_without_guards(lab: int) -> None:
    """Neither SMEP, SMAP nor UMIP help the kernel here."""
    runs = [run for run in shuffled(hostile_suite(lab)) if run.name not in CPU_MATTERS]
    assert differences(runs, fates(reference(lab), runs, cpu="qemu64")) == []


@pytest.mark.parametrize("cpu", ["max", "qemu64"])
@pytest.mark.parametrize("lab", [3, *MANY])
def test_no_ldt_of_a_programs_own(lab: int, cpu: str) -> None:
    kernel = reference(lab)
    with kernel.boot(modules=[Module(gate_program(), "gate")], cpu=cpu) as machine:
        machine.run_to_exit(layout.EXIT_OK)
        assert "gate: ended by signal 11" in machine.console.text


@pytest.mark.parametrize("lab", MANY)
def test_nothing_is_left_behind(lab: int) -> None:
    """After each program comes one that looks for what the others left."""
    runs = list(few_of_each(hostile_suite(lab), 1))
    searcher = next(run for run in runs if run.name == "clean-start")
    runs = [each for run in runs for each in (run, searcher)]
    assert differences(runs, fates(reference(lab), runs)) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_one_by_one(part: int) -> None:
    runs = list(few_of_each(hostile_suite(3), 1))[part::PARTS]
    assert differences(runs, fates(reference(3), runs, int80=True)) == []


def test_lab3_knows_no_syscall() -> None:
    runs = [run for run in hostile_suite(3) if run.name == "write-input"]
    assert fates(reference(3), runs) == [SIGILL]


@pytest.mark.parametrize("lab", MANY)
def test_jumps_to_every_function_of_the_kernel(lab: int) -> None:
    kernel = reference(lab)
    runs = [Run("jump", (f"{address:#x}",), lab, SIGSEGV) for address in functions(kernel)]
    assert len(runs) > 100
    assert differences(runs, fates(kernel, runs)) == []


def functions(lab: Lab) -> list[int]:
    """Where the kernel's code has names: functions, and the labels of assembly."""
    elf = lab.symbols.elf
    code = [range(each.va, each.va + each.memory_size) for each in elf.segments
            if each.executable and each.va >= layout.KERNEL_BASE]
    return sorted({symbol.address for symbol in elf.symbols
                   if any(symbol.address in each for each in code)})
