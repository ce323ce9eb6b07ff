"""The lab that a check is given: the built kernel, its names and numbers, and a way to boot it."""

from __future__ import annotations

import copy
from pathlib import Path
from random import Random
from typing import Any

from grade.build import Built
from grade.check import Check
from grade.machine.elf import BadElf
from grade.machine.machine import Machine
from grade.machine.setup import Setup
from grade.machine.symbols import Symbols, load_symbols
from grade.outcome import Failure, Outcome


class Lab:
    """A built lab. Each check gets one of its own, with random numbers of its own."""

    def __init__(self, tree: Path, directory: Path, built: Built, seed: int) -> None:
        self.tree, self.directory = tree, directory
        self.number = int(directory.name[3])
        self.kernel, self.probe = built.kernel, built.probe
        self.seed = seed
        self.rng = Random(seed)

    def for_check(self, check: Check) -> Lab:
        """The same lab with the random numbers of a check: they depend on the seed and its id
        alone, so that one check repeats as it ran among the others."""
        own = copy.copy(self)
        own.rng = Random(f"{self.seed} {check.id}")
        return own

    def prepare(self) -> None:
        """Do now what every check needs: their processes are forked and inherit it."""
        try:
            load_symbols(self.kernel)
            load_symbols(self.probe)
        except BadElf as error:
            raise Failure(Outcome.BUILD_ERROR, str(error)) from error
        Setup().saved()

    @property
    def symbols(self) -> Symbols:
        """The names and lines of the kernel without the probe."""
        return load_symbols(self.kernel)

    def boot(self, *, probe: bool = False, **options: Any) -> Machine:
        """A machine that has this kernel in memory and is about to enter it; a context manager.
        The options are those of Machine."""
        options.setdefault("rng", self.rng)
        return Machine(self.probe if probe else self.kernel, **options)
