"""What the kernel writes to model-specific registers, seen at each `wrmsr` it executes."""

from __future__ import annotations

from dataclasses import dataclass

from grade.machine import layout
from grade.machine.elf import Elf
from grade.machine.gdbremote import Registers

WRMSR = b"\x0f\x30"

# Those of x86_bits.h, and some that no lab writes (SDM vol. 4, table 2-2).
NAMES = {**{number: name[len("MSR_"):] for name, number in layout.numbers().items()
            if name.startswith("MSR_")},
         0xC000_0083: "CSTAR", 0xC000_0103: "TSC_AUX", 0x1B: "APIC_BASE", 0x277: "PAT"}


@dataclass(frozen=True)
class MsrWrite:
    """One `wrmsr` that is about to happen."""

    msr: int
    value: int
    rip: int

    @property
    def name(self) -> str:
        return NAMES.get(self.msr, f"MSR {self.msr:#x}")

    def __str__(self) -> str:
        return f"wrmsr {self.name} = {self.value:#x}"


def places(kernel: Elf) -> list[int]:
    """Every address in the kernel's code where the bytes 0F 30 stand.

    Some may belong to the inside of another instruction. That does no harm: a breakpoint of QEMU
    changes no byte and stops only where an instruction begins. So, unlike a disassembler that
    lost its step in a table between two functions, this can miss none."""
    found = []
    for segment in kernel.segments:
        at = segment.data.find(WRMSR) if segment.executable else -1
        while at >= 0:
            found += sorted({segment.va + at, segment.pa + at})
            at = segment.data.find(WRMSR, at + 1)
    return found


def about_to_write(registers: Registers) -> MsrWrite:
    """What a processor that stands at `wrmsr` will write."""
    low, high = registers.rax & 0xFFFF_FFFF, registers.rdx & 0xFFFF_FFFF
    return MsrWrite(registers.rcx & 0xFFFF_FFFF, high << 32 | low, registers.rip)
