"""Hostile programs in Bochs: what becomes of each, as grade/programs/running.py has it in QEMU."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from grade.lab import Lab
from grade.machine import layout
from grade.machine.disc import make_disc
from grade.machine.machine import Module
from grade.programs.running import WITH_PROCESSES, read, whose_turn, without_reports
from grade.programs.suite import Fate, Run
from grade.programs.warden import Warden
from grade.tests.bochs.bochs import Bochs, BochsEnded

PTI = "pti=on"
FRAMES = re.compile(r"frames: (\d+) free before, (\d+) after")


class Story(NamedTuple):
    """What became of each run, and all that was said on the serial port."""

    fates: list[Fate]
    text: str


def run(lab: Lab, runs: Sequence[Run], directory: Path, model: str, *,
        int80: bool = False) -> Story:
    """All in one boot of a lab from 4 on. Page tables are isolated, which the newer processors say
    they do not need."""
    how = with_warden if lab.number >= WITH_PROCESSES else one_after_the_other
    return how(lab, runs, directory, model, int80)


def one_after_the_other(lab: Lab, runs: Sequence[Run], directory: Path, model: str,
                        int80: bool) -> Story:
    names = [f"{each.name}.{lab.rng.getrandbits(64):x}" for each in runs]
    modules = [Module((each.int80 if int80 else each.elf).read_bytes(),
                      " ".join((name, *each.arguments))) for name, each in zip(names, runs)]
    machine_exit = lab.symbols["machine_exit"]
    with Bochs(make_disc(directory, lab.kernel, PTI, modules), directory, model) as bochs:
        bochs.stop_at(machine_exit)
        code = bochs.run_to_exit(machine_exit)
        demand_regular_end(lab, code, bochs.text, whose_turn(runs, names, bochs.text))
        return Story(list(read(bochs.text, names)), bochs.text)


def with_warden(lab: Lab, runs: Sequence[Run], directory: Path, model: str, int80: bool) -> Story:
    warden, machine_exit = Warden(runs, lab.rng, int80), lab.symbols["machine_exit"]
    with Bochs(make_disc(directory, lab.kernel, PTI, warden.modules), directory, model) as bochs:
        for place in (machine_exit, warden.all_have_ended):
            bochs.stop_at(place)
        at = bochs.run()
        while at not in ((warden.all_have_ended, 3), (machine_exit, 0)):
            at = bochs.run()
        if at == (machine_exit, 0):
            raise BochsEnded(f"{warden.whose_turn(bochs.text)}\n{bochs.text[-3000:]}")
        warden.look(bochs.read)
        code = bochs.run_to_exit(machine_exit)
        demand_regular_end(lab, code, bochs.text, warden.whose_turn(bochs.text))
        return Story([Fate(without_reports(text, warden.name(each)), end)
                      for each, text, end in warden.seen(bochs.text)], bochs.text)


def demand_regular_end(lab: Lab, code: int, text: str, whose: str) -> None:
    """The kernel lives to its end, with every frame free again."""
    assert code == layout.EXIT_OK, f"{whose}\n{text[-3000:]}"
    frames = FRAMES.search(text)
    assert frames and frames[1] == frames[2], text[-500:]
