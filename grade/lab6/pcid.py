"""Exercises 6.1, 6.4, 6.5 and 6.6: a processor with PCIDs and INVPCID, which QEMU's TCG is not. The
grader plays it.

At each instruction that is different there the kernel is stopped, and what such a processor does is
done. It remembers all that it may: of every table that has been in use, under the PCID that it was
used with, each entry of the user half. An entry that has changed since must have been forgotten, by
the rules of Intel SDM vol. 3A 4.10.4.1, before that PCID is used again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from grade.lab6.kernel import SHADOW
from grade.machine import Machine, Registers, layout
from grade.machine.elf import Elf
from grade.machine.layout import (CPUID_FEATURES, CPUID_FEATURES_EBX_INVPCID, CPUID_VERSION,
                                  CPUID_VERSION_ECX_PCID, CR3_NO_FLUSH, CR4_PCIDE, INVPCID_ADDRESS,
                                  INVPCID_CONTEXT)
from grade.machine.paging import (ADDRESS, HALF, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE, flags,
                                  page_size)
from grade.machine.phys import PhysicalMemory
from grade.outcome import Failure, Outcome, expect

KERNEL, RING3 = 0, layout.SHADOW_PCID
PCID = 0xFFF  # of what is loaded into CR3
LAST_TYPE = 3
GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
           "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")

Key = tuple[int, int]  # level, and the first address that an entry is for


class Features(NamedTuple):
    """What CPUID says."""

    pcid: bool = True
    invpcid: bool = True

    def __str__(self) -> str:
        return (f"a processor with{'' if self.pcid else 'out'} PCIDs and "
                f"with{'' if self.invpcid else 'out'} INVPCID")


class Instruction(NamedTuple):
    """A privileged instruction as it stands in memory."""

    rex: int
    code: bytes  # behind prefixes and opcode: ModRM, and what follows
    before: int  # the length of prefixes and opcode

    @property
    def register(self) -> str:
        """The register that ModRM names as r/m."""
        return GENERAL[self.code[0] & 7 | (self.rex & 1) << 3]

    @property
    def other(self) -> str:
        """The register that it names as reg."""
        return GENERAL[self.code[0] >> 3 & 7 | (self.rex & 4) << 1]

    def operand(self, regs: Registers) -> tuple[int, int]:
        """The address of the operand in memory, and the length of the whole instruction."""
        mode, base = self.code[0] >> 6, self.code[0] & 7
        at, used, size = 0, 1, (0, 1, 4)[mode]
        if base == 4:  # a SIB byte
            index, base = self.code[1] >> 3 & 7 | (self.rex & 2) << 2, self.code[1] & 7
            at, used = (getattr(regs, GENERAL[index]) << (self.code[1] >> 6)) * (index != 4), 2
        assert mode or base != 5, "an operand at a constant address"
        at += getattr(regs, GENERAL[base | (self.rex & 1) << 3])
        at += int.from_bytes(self.code[used:used + size], "little", signed=True)
        return at % (1 << 64), self.before + used + size


class Processor:
    """Begin where the kernel has not asked for PCIDs yet."""

    def __init__(self, machine: Machine, features: Features = Features()) -> None:
        self.m, self.features = machine, features
        self.remembered: dict[int, dict[Key, int]] = defaultdict(dict)
        self.switches: Counter[tuple[int, int, bool]] = Counter()  # from, to, were both kept?
        for opcode, modrm, action in (
                (b"\x0f\xa2", range(256), self.cpuid),
                (b"\x0f\x22", range(0xD8, 0xE0), self.mov_to_cr3),
                (b"\x0f\x22", range(0xE0, 0xE8), self.mov_to_cr4),
                (b"\x0f\x01", [each for each in range(0xC0) if each >> 3 & 7 == 7], self.invlpg),
                (b"\x0f\x38\x82", range(0xC0), self.invpcid)):
            for place in places(machine.symbols.elf, opcode, modrm):
                machine.instead(place, self.play(opcode, action))

    def play(self, opcode: bytes, action: Callable[[Registers, Instruction], bool]
             ) -> Callable[[], bool]:
        """The action at an instruction with this opcode: RIP is at its first byte."""
        def act() -> bool:
            regs = self.m.regs
            text = self.m.memory.read(regs.rip, 16)
            at = text.find(opcode)
            prefixes = text[:at].lstrip(b"\x66") if 0 <= at <= 2 else b"no"
            if len(prefixes) > 1:
                return False
            rex = prefixes[0] if prefixes else 0
            before = at + len(opcode)
            return action(regs, Instruction(rex, text[before:], before))
        return act

    @property
    def enabled(self) -> bool:
        return bool(self.m.regs.cr4 & CR4_PCIDE)

    def refuse(self, regs: Registers, exception: str, why: str, right: str) -> Failure:
        return Failure(Outcome.WRONG, f"{self.features}: {exception} at {self.m.where(regs.rip)}: "
                       f"{why}", right)

    # ---- Instructions -------------------------------------------------------------------------

    def cpuid(self, regs: Registers, instruction: Instruction) -> bool:
        """As the processor in the machine has it, but for two bits."""
        leaf = regs.rax & 0xFFFF_FFFF
        if leaf not in (CPUID_VERSION, CPUID_FEATURES):
            return False
        self.m.session.step()
        after = self.m.regs
        if leaf == CPUID_VERSION:
            self.m.set_regs(rcx=changed(after.rcx, CPUID_VERSION_ECX_PCID, self.features.pcid))
        else:
            self.m.set_regs(rbx=changed(after.rbx, CPUID_FEATURES_EBX_INVPCID,
                                        self.features.invpcid))
        return True

    def mov_to_cr4(self, regs: Registers, instruction: Instruction) -> bool:
        value = getattr(regs, instruction.register)
        if value & CR4_PCIDE and not self.features.pcid:
            raise self.refuse(regs, "#GP", "CR4.PCIDE is set", "it is set if CPUID has PCIDs")
        if value & ~regs.cr4 & CR4_PCIDE and regs.cr3 & PCID:
            raise self.refuse(regs, "#GP", f"CR4.PCIDE is set while CR3 is {regs.cr3:#x}",
                              "the lowest 12 bits of CR3 are 0 then (SDM vol. 3A 4.10.1)")
        self.m.set_regs(cr4=value, rip=regs.rip + instruction.before + 1)
        return True

    def mov_to_cr3(self, regs: Registers, instruction: Instruction) -> bool:
        value = getattr(regs, instruction.register)
        if value & CR3_NO_FLUSH and not self.enabled:
            raise self.refuse(regs, "#GP", f"CR3 is loaded with {value:#x}",
                              "bit 63 is set only if CR4.PCIDE is")
        if self.enabled:
            self.switch(regs, value)
        self.m.set_regs(cr3=value & ~CR3_NO_FLUSH, rip=regs.rip + instruction.before + 1)
        return True

    def switch(self, regs: Registers, value: int) -> None:
        """What is remembered, kept and forgotten when CR3 is loaded."""
        keep = bool(value & CR3_NO_FLUSH)
        before, after = regs.cr3 & PCID, value & PCID
        where = f"at {self.m.where(regs.rip)} CR3 is loaded with {value:#x}"
        expect(after == (RING3 if value & SHADOW else KERNEL), f"{where}: PCID {after} for "
               f"{'a shadow' if value & SHADOW else 'a table of the kernel'}",
               f"PCID {RING3} for shadows, {KERNEL} for all others: what is used with both tables "
               "under one number is mixed up in the TLB")
        if before != after:
            self.check(before, regs.cr3, where)
            self.remembered[before].update(entries(self.m.phys, regs.cr3))
        if not keep:
            self.remembered[after].clear()
        self.check(after, value, where)
        self.switches[before, after, keep] += 1

    def invlpg(self, regs: Registers, instruction: Instruction) -> bool:
        """Executed by the machine, too."""
        address, _ = instruction.operand(regs)
        self.forget(regs.cr3 & PCID if self.enabled else KERNEL, address, tables=True)
        return False

    def invpcid(self, regs: Registers, instruction: Instruction) -> bool:
        if not self.features.invpcid:
            raise self.refuse(regs, "#UD", "INVPCID", "CPUID is asked for INVPCID before")
        kind = getattr(regs, instruction.other)
        place, length = instruction.operand(regs)
        number, address = self.m.memory.u64(place), self.m.memory.u64(place + 8)
        if kind > LAST_TYPE or number > PCID or (number and not self.enabled):
            raise self.refuse(regs, "#GP", f"INVPCID of type {kind:#x} for PCID {number:#x}",
                              "SDM vol. 2A, INVPCID, lists what is allowed")
        if kind == INVPCID_ADDRESS:
            self.forget(number, address, tables=False)
        elif kind == INVPCID_CONTEXT:
            self.remembered[number].clear()
        else:
            self.remembered.clear()
        self.m.set_regs(rip=regs.rip + length)
        return True

    # ---- What it remembers ----------------------------------------------------------------------

    def forget(self, number: int, address: int, *, tables: bool) -> None:
        """The page of an address, and what leads to it; INVLPG: whatever leads anywhere."""
        kept = self.remembered[number]
        for key in [key for key in kept if key[1] <= address < key[1] + page_size(key[0])
                    or (tables and key[0] > 1)]:
            del kept[key]

    def check(self, number: int, cr3: int, where: str) -> None:
        """Everything that is remembered under this number is still as it was, or permits less than
        what is there now."""
        now = entries(self.m.phys, cr3) if self.remembered[number] else {}
        for key, old in self.remembered[number].items():
            entry = now.get(key, 0)
            expect(not is_stale(old, entry),
                   f"{where}. Under PCID {number} the TLB still has {told(key, old)}, and in "
                   f"memory this entry is {entry:#x}", "it has been flushed under this number, "
                   "too: whoever changes tables calls what tlb.h offers")


def changed(value: int, bit: int, there: bool) -> int:
    """A value with a bit set or clear."""
    return value | bit if there else value & ~bit


def is_stale(old: int, now: int) -> bool:
    """Does the old entry lead elsewhere than the new one, or permit what that forbids?"""
    moved = (old ^ now) & (ADDRESS | PRESENT | LARGE)
    return bool(moved or old & ~now & (WRITABLE | USER) or now & ~old & NO_EXECUTE)


def told(key: Key, entry: int) -> str:
    level, address = key
    what = "the page" if level == 1 else f"the table of level {level - 1}"
    return f"{what} at {address:#x}, {entry:#x} ({flags(entry)})"


def entries(memory: PhysicalMemory, cr3: int) -> dict[Key, int]:
    """Every present entry of the user half, of all levels."""
    def below(table: int, level: int, base: int, wanted: range) -> Iterator[tuple[Key, int]]:
        values = memory.table(table)
        for i in wanted:
            if values[i] & PRESENT:
                at = base + i * page_size(level)
                yield (level, at), values[i]
                if level > 1 and not values[i] & LARGE:
                    yield from below(values[i] & ADDRESS, level - 1, at, range(512))
    return dict(below(cr3 & ADDRESS, 4, 0, range(HALF)))


def places(kernel: Elf, opcode: bytes, modrm: Collection[int]) -> list[int]:
    """Where an instruction may begin that has this opcode and one of these ModRM bytes behind it,
    and perhaps prefixes before it (see msr.py)."""
    found = set()
    for segment in kernel.segments:
        at = segment.data.find(opcode) if segment.executable else -1
        while at >= 0:
            prefixes = 0
            while prefixes < 2 and at > prefixes and \
                    segment.data[at - prefixes - 1] in (0x66, *range(0x40, 0x50)):
                prefixes += 1
            if segment.data[at + len(opcode)] in modrm:
                found |= {segment.va + at - n for n in range(prefixes + 1)}
            at = segment.data.find(opcode, at + 1)
    return sorted(found)
