"""A map says what the processor's walk says, and counts frames as the kernel does."""

from __future__ import annotations

import json

import pytest

from grade import words
from grade.lab import Lab
from grade.machine import Machine, layout, paging
from grade.machine.maps import Map
from grade.tests.kernels.test_gdb import reference
from tools.map import look_up, text
from tools.command import Refusal


def rights(machine: Machine, root: int, va: int) -> str:
    found = paging.walk(machine.phys, root, va)
    return words.rights(found.writable, found.executable, found.user) if found else "-"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return reference(6)


def test_lab_6_side_by_side(lab: Lab) -> None:
    """At a fault of copy on write: two processes that share, each with two tables. And what a
    shadow shows too much is seen."""
    with lab.boot(cmdline="pti=on") as machine:
        machine.run_to("copy_on_write")
        drawn = Map(machine, 6)
        kernel, *processes = drawn.spaces
        assert kernel.root == machine.phys.u64(machine.sym("kernel_root") - layout.KERNEL_BASE)
        assert len(processes) >= 2 and all(each.shadow for each in processes)
        assert sum("in use" in each.name for each in drawn.spaces) == 1
        for space in drawn.spaces:
            for region in space.regions:
                for va in (region.start, region.end - layout.PAGE):
                    assert region.rights == rights(machine, space.root, va)
                    if space.shadow:
                        assert region.shadow == rights(machine, space.shadow, va)
        shown = {each.what for each in processes[0].regions
                 if each.shadow != "-" and each.end > layout.USER_END}
        assert {"entry code", "struct percpu", "entry stack"} <= shown and "window" not in shown

        owner = {frame: each.owner for each in drawn.memory
                 for frame in range(each.start, each.end, layout.PAGE)}
        assert len(owner) == machine.phys.size // layout.PAGE
        assert "shared by programs" in owner.values()
        for space in drawn.spaces:
            tables = machine.memory.table_frames(space.root)
            assert {owner[table] for table in tables} == {"page tables"}
        free = sum(each == "free" for each in owner.values())
        lines = list(text(drawn))
        assert not [line for line in lines if len(line) > 80]
        assert json.loads(json.dumps(drawn.plain()))["spaces"][1]["shadow"]

        slot = paging.index(layout.WINDOW_BASE, 4)
        machine.phys.set_u64(processes[0].shadow + 8 * slot,
                             machine.phys.u64(processes[0].root + 8 * slot))
        assert any(each.what == "window" and each.shadow == each.rights
                   for each in Map(machine, 6).spaces[1].regions)
        assert machine.call("frames_free") == free


def test_before_there_is_paging_and_at_no_function(lab: Lab) -> None:
    with lab.boot() as machine:
        assert not Map(machine, 6).spaces
    with pytest.raises(Refusal, match="is it .*copy_on_write"):
        look_up(lab.symbols, "copy_on_wriet")
