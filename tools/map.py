"""The address spaces of a lab's kernel at one moment, and who owns its memory: make map.

From the environment: AT= (a function; the map is drawn when the kernel comes there), PROGRAM's
ARGS=, CMDLINE=, FROM= (another tree's labs), CC= and OPT=.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
from collections import Counter
from collections.abc import Iterator

from grade import words
from grade.errors import printable
from grade.machine.layout import USER_END
from grade.machine.maps import Map, Region, Space
from grade.machine.session import Limits
from grade.machine.symbols import Symbols
from grade.tree import ROOT
from tools import command
from tools.command import Refusal, say
from tools.kernel import FIRST_WITH_PROGRAMS, built_lab, in_words, modules

PATIENT = Limits(cpu=60.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make map", description=__doc__)
    parser.add_argument("--lab", type=int, required=True, help="the lab's number")
    parser.add_argument("--program", nargs="*", default=[], help="programs to run, from lab 3 on")
    asked = parser.parse_args()
    lab = built_lab(asked.lab)
    at = os.environ.get("AT") or (
        "enter_usermode" if asked.lab >= FIRST_WITH_PROGRAMS else "kernel_ready")
    look_up(lab.symbols, at)
    with lab.boot(cmdline=os.environ.get("CMDLINE", ""),
                  modules=modules(asked.lab, asked.program, os.environ.get("ARGS", "")),
                  limits=PATIENT) as machine:
        machine.run_to(at)
        drawn = Map(machine, asked.lab)
        print("\n".join([f"Lab {asked.lab}, at {machine.where(machine.regs.rip)}", *text(drawn)]))
        file = ROOT / "build" / "map" / f"lab{asked.lab}-{at}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(drawn.plain(), indent=1) + "\n")
    say(f"\nThe same for machines: {file.relative_to(ROOT)}")
    return 0


def look_up(symbols: Symbols, at: str) -> None:
    """AT is one of the kernel's functions."""
    if at in symbols:
        return
    names = [each.name for each in symbols.elf.symbols if "." not in each.name]
    near = difflib.get_close_matches(at, names, 3)
    raise Refusal(f"AT={printable(at)}: the kernel has no function of this name"
                  + (f"; is it {' or '.join(near)}?" if near else ""))


def text(drawn: Map) -> Iterator[str]:
    """A map for a terminal of 80 columns."""
    if not drawn.spaces:
        yield "Paging is off: there is no address space yet."
    for space in drawn.spaces:
        yield ""
        yield from space_text(space, drawn.spaces[0] if space != drawn.spaces[0] else None)
    yield ""
    yield "Physical memory, frames of 4 KiB by owner:"
    total = Counter[str]()
    for each in drawn.memory:
        total[each.owner] += (each.end - each.start) >> 12
    yield from (f"{count:10}  {owner}" for owner, count in total.most_common())
    yield ""
    for each in drawn.memory:
        yield (f"{each.start:12x} - {each.end:<12x} {words.size(each.end - each.start):>10}  "
               f"{each.owner}")


def kernel_half(space: Space) -> list[Region]:
    return [each for each in space.regions if each.end > USER_END]


def space_text(space: Space, kernel: Space | None) -> Iterator[str]:
    """An address space. What it has of the kernel's own, that it need not say again."""
    pair = f", shadow at {space.shadow:#x}" if space.shadow else ""
    yield f"{space.name}: table at {space.root:#x}{pair}"
    columns = "kernel  shadow" if space.shadow else "rights"
    yield f"  {'from':16} {'to':17} {'size':>9}  {columns}  what"
    shown, rest = space.regions, ""
    if kernel and not space.shadow and kernel_half(space) == kernel_half(kernel):
        shown = [each for each in shown if each.end <= USER_END]
        rest = "  the kernel's half, as above"
    for each in shown:
        shadow = f"{each.shadow:6}  " if space.shadow else ""
        end = each.end & (1 << 64) - 1
        yield (f"  {each.start:016x} {end:016x}  {words.size(each.end - each.start):>9}  "
               f"{each.rights:6}  {shadow}{each.what}")
    if rest:
        yield rest
    levels = ", ".join(f"{count} of L{level}" for level, count in space.tables.items())
    yield f"  tables: {words.count(sum(space.tables.values()), 'frame')} ({levels}); " \
          f"{space.own} of no other space"


if __name__ == "__main__":
    command.run("make map", in_words(main))
