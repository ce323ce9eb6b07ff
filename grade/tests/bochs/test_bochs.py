"""The kernels and a sample of the hostile programs in Bochs: what TCG does not show is seen here.

`make bochs` runs this file and every_program.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grade.build import build
from grade.lab import Lab
from grade.machine import layout
from grade.machine.disc import make_disc
from grade.machine.elf import Elf
from grade.machine.machine import Module
from grade.programs import hostile_suite
from grade.programs.processors import DIFFERENCES, INTEL
from grade.programs.suite import Run
from grade.tests.bochs.bochs import (HASWELL, ICE_LAKE, PACKAGES, RYZEN, SANDY_BRIDGE, Bochs,
                                     BochsEnded, program)
from grade.tests.bochs.running import run
from grade.tests.kernels.grading import LABS, SEED, remember
from grade.tests.kernels.test_hostile import SIGSEGV, differences, reference
from grade.tests.kernels.test_machines import lab_with_disc
from grade.tests.machine import conftest as tiny
from grade.tree import lab_directory
from tools.bug import all_bugs, bug_tree

pytestmark = pytest.mark.skipif(not program(), reason="Bochs with its debugger is not installed"
                                f" ({PACKAGES})")
# Beside the programs that processors differ about: those that TCG lets no kernel fail at.
SAMPLE = {row.title.partition(" ")[0] for row in DIFFERENCES} | {
    "push", "rsp-call", "rsp-fault", "flag-tf", "flag-tf-call", "flag-tf-mov-ss", "mov-ss-call",
    "flag-ac", "null-bases", "clean-bases", "gs-cleared", "iretq-nested", "retf-ring0", "umip",
    "jump-far", "call-far", "vectors", "read", "ud2"}
RETURN = 8  # bytes of a return address, above which lies the frame of a system call
NOT_CANONICAL = 0x8000  # as the upper half of an address
FAULT = re.compile(r"#PF page fault \(vector 14\) at \w+, error code (\w+)")
NO_PAGE = "0x4"  # ring 3 has read where there is none
FEW = 300_000_000  # instructions, of which the firmware takes most
ONLY_6 = pytest.mark.skipif(6 not in LABS, reason="lab 6 is not there")


@pytest.mark.parametrize("lab", LABS)
def test_from_its_disc_to_its_regular_end(lab: int, tmp_path: Path,
                                          request: pytest.FixtureRequest) -> None:
    model = HASWELL if lab == 6 else ICE_LAKE  # the newer one says that it needs no isolation
    text = boots(lab, model, tmp_path)
    if lab == 6:
        assert re.search(r"^\[KPTI\] Initialized: .* kernel CR3=.*, PCIDs$", text, re.M), text
    remember(request, "Bochs", f"lab {lab}  {model}: its regular end")


@ONLY_6
@pytest.mark.parametrize("model", [SANDY_BRIDGE, RYZEN])
def test_without_pcids(model: str, tmp_path: Path) -> None:
    """A processor with PCIDs but without INVPCID, and one of another maker without both."""
    assert ", PCIDs" not in boots(6, model, tmp_path)


def boots(lab: int, model: str, directory: Path) -> str:
    """What the reference says, from its own disc to its regular end."""
    kernel, disc = lab_with_disc(lab)
    with Bochs(disc, directory, model) as bochs:
        bochs.stop_at(kernel.symbols["machine_exit"])
        code = bochs.run_to_exit(kernel.symbols["machine_exit"])
        assert code == layout.EXIT_OK, bochs.text
        assert f"Rung lab {lab}: done" in bochs.text
        return bochs.text


def test_a_sample_of_hostile_programs(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    runs = [each for each in hostile_suite(LABS[-1]) if each.name in SAMPLE]
    assert {each.name for each in runs} == SAMPLE
    seen = run(reference(LABS[-1]), runs, tmp_path, ICE_LAKE).fates
    assert differences(runs, seen, INTEL) == []
    remember(request, "Bochs", f"lab {LABS[-1]}  {len(runs)} runs of {len(SAMPLE)} programs")


@ONLY_6
def test_no_page_of_the_kernels_outlives_its_table(tmp_path: Path) -> None:
    """Global pages do, where TCG forgets them: then ring 3 would hear that it has no right to a
    page, and not that there is none. The kernel has just used all those that are read here."""
    lab = reference(6)
    runs = [Run("read", (f"{lab.symbols[name]:#x}",), 3, SIGSEGV)
            for name in ("syscall_table", "cpu_tss", "process_kill", "kprintf")]
    fates, text = run(lab, runs, tmp_path, ICE_LAKE)
    assert differences(runs, fates, INTEL) == []
    assert ", PCIDs" in text
    assert FAULT.findall(text) == [NO_PAGE] * len(runs), text


@pytest.mark.parametrize("bug", [None, "lab4-sysret-anywhere"])
def test_sysret_to_an_address_that_is_not_canonical(bug: str | None, tmp_path: Path) -> None:
    """Intel's processors fault before they leave ring 0, on the program's stack (CVE-2012-0217).
    The reference never tries it; a kernel that does is lost here, and in TCG is not."""
    lab = reference(4) if bug is None else with_bug(bug, tmp_path)
    ends = {name: layout.numbers()[name] for name in ("EXIT_OK", "EXIT_PANIC")}
    program = next(each for each in hostile_suite(4) if each.name == "clean-bases")
    disc = make_disc(tmp_path / "disc", lab.kernel, "",
                     [Module(program.elf.read_bytes(), "program")])
    with Bochs(disc, tmp_path, ICE_LAKE) as bochs:
        in_its_call, machine_exit = lab.symbols["sys_arch_prctl"], lab.symbols["machine_exit"]
        for place in (in_its_call, machine_exit):
            bochs.stop_at(place)
        assert bochs.run() == (in_its_call, 0)
        rip = bochs.register("rsp") + RETURN + layout.SYSCALL_FRAME_RIP
        assert 0x400000 <= int.from_bytes(bochs.read(rip, 8), "little") < 0x500000
        bochs.set_u32(rip + 4, NOT_CANONICAL)
        code = bochs.run_to_exit(machine_exit)
        assert code == ends["EXIT_OK" if bug is None else "EXIT_PANIC"], bochs.text
        assert ("program: ended by signal 11" if bug is None else "PANIC:") in bochs.text


def with_bug(name: str, directory: Path) -> Lab:
    """A lab of the reference with a bug of the zoo in it."""
    bug = next(each for each in all_bugs() if each.name == name)
    tree = directory / "tree"
    bug_tree(bug, tree)
    lab = lab_directory(tree, bug.lab)
    return Lab(tree, lab, build(lab, directory / "build"), SEED)


@pytest.mark.parametrize("function, words", [("lose_idt", "Bochs has ended"),
                                             ("spin", "did not come further")])
def test_the_instrument_says_how_it_ended(function: str, words: str, tmp_path: Path) -> None:
    """A machine that resets itself, and one that goes round in circles."""
    source = tmp_path / "kernel.asm"
    source.write_text(tiny.SOURCE.read_text().replace("call leave_ok", f"call {function}"))
    kernel = tiny.build(tmp_path, source)
    with Bochs(make_disc(tmp_path / "disc", kernel), tmp_path, HASWELL, FEW) as bochs:
        symbols = {each.name: each.address for each in Elf(kernel).symbols}
        bochs.stop_at(symbols["say_hello"])
        bochs.stop_at(symbols["leave_ok"])
        assert bochs.run() == (symbols["say_hello"], 0)
        with pytest.raises(BochsEnded, match=words):
            bochs.run()
