"""Where a scene is filmed: a machine with a lab's kernel, and a program of ours if it needs one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from grade import toolchain
from grade.errors import MissingTool
from grade.film.places import Places
from grade.film.recorder import Recorder, Watched
from grade.lab import Lab
from grade.machine import Machine, Module, Registers, layout
from grade.machine.elf import BadElf
from grade.machine.frames import WORD
from grade.machine.machine import load_symbols
from grade.machine.state import TSS_IST1, leave
from grade.machine.structures import structure
from grade.machine.symbols import Symbols
from grade.outcome import Failure
from grade.tree import ROOT

PROGRAMS = Path(__file__).resolve().parent / "programs"
BUILT = ROOT / "build" / "film" / "programs"
IST_STACKS = 7  # in the TSS (SDM vol. 3A figure 8-11)


class Stage:
    """A machine at the kernel's entry."""

    def __init__(self, lab: Lab, machine: Machine, program: Symbols | None) -> None:
        self.lab, self.m, self._program = lab, machine, program

    @property
    def program(self) -> Symbols:
        assert self._program, "this scene has no program"
        return self._program

    def to(self, *places: str | int) -> None:
        """Let the kernel come to a place. What else happens is a Failure."""
        self.m.run_to(*places)

    def to_program(self, label: str) -> None:
        """Come to a place in the program. Its first run without a system call that may not be
        written yet is left out (labs 4 and later)."""
        if "programs_baseline" in self.m.symbols:
            self.m.run_to("programs_baseline")
            leave(self.m, 1)
        self.m.run_to(self.program[label])

    def step_to(self, mnemonics: Sequence[bytes], most: int = 3000) -> None:
        """Step, without filming, until an instruction with these bytes is next."""
        for _ in range(most):
            regs = self.m.regs
            if any(self.m.memory.read(regs.rip, len(each)) == each for each in mnemonics):
                return
            self.m.step()

    def recorder(self, goal: str) -> Recorder:
        """Begin to film here."""
        places = Places(self.m.symbols, self.lab.number, self._program, self._ist(), self._percpu)
        return Recorder(self.m, places, goal, self._watched())

    def at(self, label: str) -> int:
        return self.program[label]

    def _ist(self) -> list[int]:
        """The tops of the stacks that the TSS names; none before there is one."""
        tr = self.m.system.tr
        if not self.m.regs.cr0 >> 31 or not tr.base or self.m.memory.walk(tr.base) is None:
            return []
        return [self.m.memory.u64(tr.base + TSS_IST1 + 8 * index) for index in range(IST_STACKS)]

    @property
    def _percpu(self) -> int:
        """Where struct percpu is; 0 in labs that have none."""
        if self.lab.number >= 6:
            return layout.ENTRY_PERCPU
        return self.m.symbols["percpu"] if self.lab.number >= 4 else 0

    def _watched(self) -> list[Watched]:
        """struct percpu and TSS.rsp0: by these a kernel finds its stacks."""
        found = []
        if self._percpu:
            found = [Watched(f"percpu.{name}", self._percpu + offset)
                     for name, offset in self._percpu_fields()]
        if self.lab.number >= 3:
            tss = layout.ENTRY_TSS if self.lab.number >= 6 else self.m.symbols["cpu_tss"]
            found.append(Watched("TSS.rsp0", tss + layout.TSS_RSP0))
        return found

    def _percpu_fields(self) -> list[tuple[str, int]]:
        """As this kernel has them. clang's debug information does not always tell, and then they
        are what assembly knows of them."""
        try:
            fields = structure(self.m.kernel, "percpu", "syscall_setup.c").fields
        except Failure:
            known = ["kernel_rsp", "frame"] + ["cr3_switch"] * (self.lab.number >= 6)
            return [(name, layout.numbers()[f"PERCPU_{name.upper()}"]) for name in known]
        return [(name, each.offset) for name, each in fields.items()
                if each.size == WORD and each.elements == 1]


@contextmanager
def stage(lab: Lab, programs: Sequence[str] = ()) -> Iterator[Stage]:
    """A machine with these programs of ours as modules; the first is the one that is filmed."""
    files = [assembled(name) for name in programs]
    modules = [Module(path.read_bytes(), path.stem) for path in files]
    with lab.boot(modules=modules) as machine:
        yield Stage(lab, machine, _symbols(files[0]) if files else None)


def _symbols(path: Path) -> Symbols:
    try:
        return load_symbols(path)
    except BadElf as error:
        raise AssertionError(f"{path}: {error}") from error


def assembled(name: str) -> Path:
    """A program of ours, made by nasm and ld, with its lines."""
    BUILT.mkdir(parents=True, exist_ok=True)
    source, made = PROGRAMS / f"{name}.asm", BUILT / f"{name}.elf"
    newest = max(path.stat().st_mtime for path in (source, *PROGRAMS.glob("*.inc")))
    if made.exists() and made.stat().st_mtime > newest:
        return made
    new = BUILT / f"{name}.new.elf"
    object_file = new.with_suffix(".o")
    for command in (["nasm", "-f", "elf64", "-g", "-F", "dwarf", "-I", f"{PROGRAMS}/",
                     "-o", str(object_file), str(source)],
                    [toolchain.tool("ld"), "-nostdlib", "-static", "-z", "max-page-size=0x1000",
                     "-z", "noexecstack", "-T", str(ROOT / "common/user/user.ld"),
                     "-o", str(new), str(object_file)]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError:
            raise MissingTool(command[0]) from None
    new.replace(made)
    return made


def in_ring3(regs: Registers) -> bool:
    return regs.cpl == 3
