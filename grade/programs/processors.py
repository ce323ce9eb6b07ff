"""Where the processors that kernels are run on differ from the manual, or from each other.

A hostile program's comment says what becomes of it on a real processor. An emulator may do
otherwise, and some things the manual leaves to the maker. This is the one list of both, as measured
on the machines named in it. On an emulator that is named here, exactly what the list says must come
of a program; on Linux, whose processor may be anybody's, that or what the manual says; on another
version of QEMU, what the manual says, or what the list says of any QEMU:
so a QEMU that mends a mistake is no fault of the kernel's. SDM: Intel's manual; APM: AMD's."""

from __future__ import annotations

import functools
import re
import subprocess
from typing import NamedTuple

from grade.machine.layout import VECTOR_GP as GP, VECTOR_PF as PF, VECTOR_UD as UD
from grade.machine.qemu import program
from grade.programs.suite import Fate, Run

QEMU_7, QEMU_10, QEMU_11 = "QEMU 7.2", "QEMU 10.0", "QEMU 11.1"
QEMU = (QEMU_7, QEMU_10, QEMU_11)
INTEL, AMD = "Bochs as Intel", "Bochs as AMD"
LINUX = "Linux"  # on the processor here, whatever that is: so either of two may come of a program
MACHINES = (*QEMU, INTEL, AMD, LINUX)

SURVIVES = Fate(b"survived\n", "exit 99")
SIGILL, SIGTRAP, SIGSEGV = (Fate(b"", end) for end in ("SIGILL", "SIGTRAP", "SIGSEGV"))


class Difference(NamedTuple):
    """A program, or one of its runs, that ends otherwise on some machines, and why."""

    title: str
    machines: tuple[str, ...]
    fate: Fate
    why: str


DIFFERENCES = [
    # What TCG does otherwise than any processor.
    Difference("alignment-check", QEMU, SURVIVES, "TCG checks no alignment (SDM 3A 6.15, #AC)"),
    Difference("clflush", QEMU, SURVIVES, "TCG does nothing for CLFLUSH, which asks for the rights"
               " of a read (SDM 2A)"),
    Difference("icebp", (QEMU_7,), SIGILL, "TCG did not know INT1 (SDM 2A: #DB, at any CPL)"),
    Difference("into", (QEMU_10,), SURVIVES, "TCG takes INTO in 64-bit mode (SDM 2A: #UD)"),
    Difference("invd", (QEMU_10, QEMU_11), SURVIVES, "TCG forgets to look at the CPL (SDM 2A:"
               " #GP)"),
    Difference("wbinvd", (QEMU_10, QEMU_11), SURVIVES, "the same (SDM 2C)"),
    Difference("iretq-ring3", (QEMU_7,), SIGSEGV, "under SMAP TCG read IRET's frame as if in"
               " ring 0"),
    Difference("mxcsr-reserved", QEMU, SURVIVES, "TCG takes any value for MXCSR (SDM 1 10.2.3:"
               " #GP)"),
    Difference("push 0x800000001000", QEMU, SIGSEGV, "TCG raises #GP for every address that is not"
               " canonical (SDM 1 3.3.7.1: #SS for the stack)"),
    Difference("push 0xffff7fffffffff00", QEMU, SIGSEGV, "the same"),
    Difference("sse-divide", QEMU, SURVIVES, "TCG never raises #XM (SDM 3A 6.15)"),
    Difference("xsetbv", QEMU, SIGSEGV, "TCG looks at the CPL first (SDM 2D: #UD while CR4.OSXSAVE"
               " is 0)"),
    # What the manuals leave to the maker. QEMU's TCG is AMD's in both, Bochs always Intel's.
    Difference("sysenter", (INTEL, AMD), SIGSEGV, "SDM 2B: #GP while IA32_SYSENTER_CS is 0; APM 3:"
               " #UD in long mode"),
    Difference("sysexit", (INTEL, AMD), SIGSEGV, "SDM 2B: #GP at CPL 3; APM 3: #UD in long mode"),
    # What a processor has or has not.
    Difference("clgi", (LINUX,), SIGSEGV, "APM 3: #UD while EFER.SVME is 0, #GP at CPL 3; under a"
               " hypervisor that uses SVM it is 1"),
    Difference("umip", (AMD,), SURVIVES, "the first Ryzen has no UMIP (CPUID 7: ECX bit 2)"),
]


class Deviation(NamedTuple):
    """Another exception that TCG raises for a program of lab 3's checks (grade/lab3/hostile.py), in
    their words. An instruction that should have faulted, and did nothing, is followed by one that
    is invalid."""

    words: str
    machines: tuple[str, ...]
    vector: int
    signal: int
    why: str


DEVIATIONS = [
    Deviation("invd", (QEMU_10, QEMU_11), UD, 4, "TCG forgets to look at the CPL (SDM 2A: #GP)"),
    Deviation("wbinvd", (QEMU_10, QEMU_11), UD, 4, "the same (SDM 2C)"),
    Deviation("sysret, likewise", (QEMU_10, QEMU_11), GP, 11, "TCG looks at the CPL before EFER.SCE"
              " (SDM 2B: #UD)"),
    Deviation("a return to ring 0", (QEMU_7,), PF, 11, "under SMAP TCG read the frame as if in ring"
              " 0"),
    Deviation("iretq to ring 0", (QEMU_7,), PF, 11, "the same"),
]


def accepted(run: Run, machine: str) -> set[Fate]:
    """What may become of a run on a machine."""
    rows = [row for row in DIFFERENCES if row.title in (run.name, run.title)]
    here = {row.fate for row in rows if machine in row.machines}
    if machine == LINUX:
        return {run.fate, *here}
    if here or machine in MACHINES:
        return here or {run.fate}
    return {run.fate, *(row.fate for row in rows if set(row.machines) & set(QEMU))}


def also_raised(words: str) -> set[tuple[int, int]]:
    """Vectors that a QEMU raises for a program of lab 3's check in the manual's stead, with their
    signals. Which QEMU this is does not matter: the check sees the vector, and by it alone the
    kernel has to go."""
    return {(row.vector, row.signal) for row in DEVIATIONS if row.words == words}


@functools.lru_cache(maxsize=None)
def this_qemu() -> str:
    """The QEMU that runs the kernels here, by its version's first two numbers."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+\.\d+)", said.stdout)
    return f"QEMU {found[1]}" if found else "QEMU"
