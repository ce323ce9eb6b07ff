"""A way into ring 0 of a program's own making: a call gate in an LDT that nobody has switched off.

After a reset the LDT is the 64 KiB at address 0 (Intel SDM vol. 3A table 9-1), where a program may
have pages. Without SMAP the processor believes what it finds in them."""

from __future__ import annotations

import struct

from grade.machine.layout import PROGRAM_BASE, SELECTOR_KERNEL_CODE
from grade.programs.image import R, W, Image, Segment, assemble

PLACE = 0x1000  # of the gate: in the LDT, and in memory
SELECTOR = PLACE | 4 | 3  # in the LDT, from ring 3
CALL_GATE = 0x8C | 3 << 5  # present, and for ring 3

CODE = f"""
        call    qword far [target]
        mov     eax, SYS_exit
        mov     edi, 99
        int     0x80
ring0:  mov     rax, cr3                ; which nobody else may read
        retfq
target: dq      0                       ; the gate knows better
        dw      {SELECTOR:#x}
"""


def gate_program() -> bytes:
    """It ends with 99 if it has been in ring 0, else by SIGSEGV."""
    code = assemble(CODE, PROGRAM_BASE, ["ring0"])
    return Image(PROGRAM_BASE, [Segment(PLACE, gate(code.labels["ring0"]), R | W),
                                Segment(PROGRAM_BASE, code.bytes)]).bytes()


def gate(target: int) -> bytes:
    """A 64-bit call gate (SDM vol. 3A 5.8.3.1, figure 5-9)."""
    return struct.pack("<HHBBHII", target & 0xFFFF, SELECTOR_KERNEL_CODE, 0, CALL_GATE,
                       target >> 16 & 0xFFFF, target >> 32, 0)
