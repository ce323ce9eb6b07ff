"""A tree with two small labs that build in no time, checks that do as they are told, and a way
to run the grader on both as a person does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

MAKEFILE = """
.PHONY: kernel probe
kernel: $(BUILD)/kernel.elf
probe: $(BUILD)/kernel-probe.elf
$(BUILD)/kernel.elf: kernel.c
\t$(CC) -g -O2 -ffreestanding -nostdlib -static -Wl,-e,kmain -o $@ $<
$(BUILD)/kernel-probe.elf: $(BUILD)/kernel.elf
\tcp $< $@
"""

KERNEL = """
/* Exercise {number}.1 (60 points). */
/* Exercise {number}.2 (40 points). */
void kmain(void) {{ for (;;) ; }}
"""

CHECKS = '''
import os
import time
from grade.check import check, equal, expect
from grade.outcome import Failure, Outcome

@check("T{number}.1", title="the first", points=60, exercise="{number}.1", hint="think",
       debug_at="kmain")
def test_first(lab):
{first}

@check("T{number}.2", title="the second", points=40, exercise="{number}.2", hint="think again",
       debug_at="kmain")
def test_second(lab):
{second}
'''


@dataclass
class Run:
    """How a run of the grader ended, and what it left."""

    status: int
    text: str
    out: Path

    @property
    def json(self) -> Any:
        return json.loads((self.out / "results.json").read_text())


class Course:
    """A tree of labs, and a directory of checks for them."""

    def __init__(self, directory: Path) -> None:
        self.tree, self.checks = directory / "tree", directory / "checks"
        self.out = directory / "out"
        self.checks.mkdir(parents=True)
        self.rules = directory / "rules.mk"
        self.rules.write_text(MAKEFILE)
        for number in (1, 2):
            self.lab(number).mkdir(parents=True)
            (self.lab(number) / "kernel.c").write_text(KERNEL.format(number=number))
            self.write_checks(number)

    def lab(self, number: int) -> Path:
        return self.tree / f"lab{number}-fake"

    def write_checks(self, number: int, first: str = "pass", second: str = "pass") -> None:
        """The bodies of the two checks of a lab."""
        bodies = {name: textwrap.indent(textwrap.dedent(body), "    ")
                  for name, body in (("first", first), ("second", second))}
        (self.checks / f"test_lab{number}_fake.py").write_text(
            CHECKS.format(number=number, **bodies))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "grade", "--from", str(self.tree), "--out", str(self.out),
                *words]

    def environment(self, more: Mapping[str, str] = {}) -> dict[str, str]:
        """Without a box, which a test asks for with SANDBOX=""."""
        dropped = ("SEED", "JOBS", "FROM", "CC", "OPT", "NO_COLOR", "FORCE_COLOR")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        return {**kept, "RUNG_CHECKS": str(self.checks), "RUNG_RULES": str(self.rules),
                "SANDBOX": "none", **more}

    def grade(self, *words: str, **more: str) -> Run:
        """Run `python3 -m grade` on the tree."""
        done = subprocess.run(self.command(*words), cwd=ROOT, env=self.environment(more),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=600)
        return Run(done.returncode, done.stdout, self.out)
