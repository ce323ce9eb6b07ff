"""One instruction: what it says, and which memory it touches.

Capstone reads the bytes. Which operand is written follows from the instruction, not from capstone,
whose versions differ in that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import capstone
from capstone import x86_const as x86

from grade.machine.gdbremote import GENERAL, Registers
from grade.machine.layout import EFER_LMA

LONGEST = 15
FLAT64 = (0x08, 0x30)  # selectors of 64-bit code
WORD = (1 << 64) - 1

# Instructions whose first operand is not written, if it is in memory.
ONLY_READ = frozenset(
    "cmp test push call jmp lcall ljmp mul imul div idiv bt lgdt lidt lldt ltr ldmxcsr fxrstor "
    "fxrstor64 fild fldcw invlpg prefetch nop verr verw clflush".split())
UNTOUCHED = frozenset("lea nop invlpg prefetch".split())  # an address, and no access
LARGE = frozenset("fxsave fxsave64 fxrstor fxrstor64 xsave xrstor".split())

REGISTER_OF = {}  # any name of a general register, or a part of it: the whole
for _name in GENERAL:
    REGISTER_OF[_name] = _name
for _letter in "abcd":
    REGISTER_OF.update({f"e{_letter}x": f"r{_letter}x", f"{_letter}x": f"r{_letter}x",
                        f"{_letter}l": f"r{_letter}x", f"{_letter}h": f"r{_letter}x"})
for _name in ("si", "di", "bp", "sp"):
    REGISTER_OF.update({f"e{_name}": f"r{_name}", _name: f"r{_name}", f"{_name}l": f"r{_name}"})
for _number in range(8, 16):
    REGISTER_OF.update({f"r{_number}{suffix}": f"r{_number}" for suffix in ("d", "w", "b")})


class Access(NamedTuple):
    """Memory that an instruction names, by virtual address."""

    va: int
    size: int
    written: bool


@dataclass(frozen=True)
class Operand:
    """Of an instruction. One of the three kinds: register, immediate value, memory."""

    register: str = ""
    immediate: int | None = None
    access: Access | None = None


@dataclass(frozen=True)
class Instruction:
    """As it stands at an address, with the operands that it has at this moment."""

    address: int
    size: int
    mnemonic: str  # without a prefix
    text: str
    repeated: bool
    operands: tuple[Operand, ...]
    bits: int
    written: frozenset[str] = frozenset()  # general registers

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def accesses(self) -> list[Access]:
        """What it names; what it pushes and pops is told by its name, see stack_access."""
        return [each.access for each in self.operands if each.access and
                self.mnemonic not in UNTOUCHED]


def bits(regs: Registers) -> int:
    """In which mode code is read: 64 or 32."""
    return 64 if regs.efer & EFER_LMA and regs.cs & ~3 in FLAT64 else 32


_decoders: dict[int, Any] = {}


def _decoder(width: int) -> Any:
    if width not in _decoders:
        mode = capstone.CS_MODE_64 if width == 64 else capstone.CS_MODE_32
        _decoders[width] = capstone.Cs(capstone.CS_ARCH_X86, mode)
        _decoders[width].detail = True
    return _decoders[width]


def decode(code: bytes, regs: Registers) -> Instruction:
    """The instruction that the processor is about to execute; `code` are the bytes at RIP, as far
    as they can be read."""
    width = bits(regs)
    found = next(_decoder(width).disasm(code[:LONGEST], regs.rip, 1), None)
    if found is None:
        shown = code[:4].hex(" ") or "nothing that could be read"
        return Instruction(regs.rip, 1, "?", f"({shown})", False, (), width)
    mnemonic = found.mnemonic.split()[-1]
    operands = tuple(_operand(found, number, mnemonic, regs)
                     for number in range(len(found.operands)))
    text = f"{found.mnemonic} {found.op_str}".strip().replace(" ptr ", " ")  # as nasm writes it
    return Instruction(regs.rip, found.size, mnemonic, text,
                       found.mnemonic.startswith("rep"), operands, width,
                       _written(found, operands, mnemonic))


def _written(found: Any, operands: tuple[Operand, ...], mnemonic: str) -> frozenset[str]:
    """The general registers that get a new value, even if it is the old one."""
    names = {found.reg_name(each) for each in found.regs_write}
    into_first = mnemonic not in ONLY_READ or (mnemonic == "imul" and len(operands) > 1)
    if operands and operands[0].register and into_first:
        names.add(operands[0].register)
    if mnemonic == "xchg":
        names.update(each.register for each in operands)
    return frozenset(REGISTER_OF[name] for name in names if name in REGISTER_OF)


def _operand(found: Any, number: int, mnemonic: str, regs: Registers) -> Operand:
    each = found.operands[number]
    if each.type == x86.X86_OP_REG:
        return Operand(register=found.reg_name(each.reg))
    if each.type == x86.X86_OP_IMM:
        return Operand(immediate=each.imm)
    va = _address(found, each.mem, regs)
    written = number == 0 and mnemonic not in ONLY_READ
    return Operand(access=Access(va, 512 if mnemonic in LARGE else each.size, written))


def _address(found: Any, memory: Any, regs: Registers) -> int:
    """Where an operand in memory lies. FS and GS have bases; the others have none that counts."""
    def value(register: int) -> int:
        name = found.reg_name(register) if register else ""
        if name in ("rip", "eip"):
            return regs.rip + found.size
        whole = REGISTER_OF.get(name or "")
        held = getattr(regs, whole) if whole else 0
        return held & 0xFFFF_FFFF if name and name.startswith("e") else held

    base = {"fs": regs.fs_base, "gs": regs.gs_base}.get(
        found.reg_name(memory.segment) if memory.segment else "", 0)
    mask = WORD if bits(regs) == 64 else 0xFFFF_FFFF
    return (base + value(memory.base) + value(memory.index) * memory.scale + memory.disp) & mask


PUSHES = frozenset("push pushfq pushfd pushal call".split())
POPS = frozenset("pop popfq popfd popal ret leave".split())


def stack_access(instruction: Instruction, before: Registers, after: Registers) -> Access | None:
    """The words that an instruction has pushed or popped, if that is what it does."""
    mask = WORD if instruction.bits == 64 else 0xFFFF_FFFF
    old, new = before.rsp & mask, after.rsp & mask
    if instruction.mnemonic in PUSHES and 0 < old - new <= 64:
        return Access(new, old - new, True)
    if instruction.mnemonic in POPS and 0 < new - old <= 64:
        return Access(old, new - old, False)
    if instruction.mnemonic in ("iretq", "iretd", "iret"):
        return Access(old, 40 if instruction.bits == 64 else 12, False)
    return None
