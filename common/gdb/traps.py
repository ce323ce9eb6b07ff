"""Traps: the frame on the stack, the gate, and whether IRETQ will take what lies there."""

import struct

import gdb

from common.gdb.machine import (NUMBERS, RING, Command, Memory, at, instruction, monitor, name_of,
                                number, register, where)
from grade import words
from grade.machine import paging

SELECTOR_BITS = 0xFFF8
CODE, WRITABLE, CONFORMING = 8, 2, 4  # of a descriptor's type: with 8 it is code


def tables(name):
    """Base and limit of GDTR or IDTR."""
    return monitor("info registers", rf"{name}= *([0-9a-f]+) ([0-9a-f]+)")


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def innermost_trap_frame():
    """`frame` of the innermost function that was given one: trap(), or a handler."""
    function = gdb.newest_frame()
    while function:
        try:
            frame = function.read_var("frame")
            if str(frame.type) == "struct trap_frame *":
                return int(frame)
        except ValueError:  # it has none
            pass
        function = function.older()
    raise gdb.GdbError("no function here has a frame: rung-trap ADDRESS")


class Trap(Command):
    """rung-trap [FRAME]: the struct trap_frame at an address; by default what trap() or its handler
    was given."""

    name = "rung-trap"

    def run(self, frame=None):
        address = number(frame) if frame else innermost_trap_frame()
        frame = at(address, "struct trap_frame")
        for field in frame.type.fields():
            value = int(frame[field.name]) & (2**64 - 1)
            print(f"{field.name:7} {value:#018x}  {self.meaning(field.name, value)}".rstrip())

    @staticmethod
    def meaning(name, value):
        if name == "rip":
            return where(value) if name_of(value) else ""
        if name in ("cs", "ss"):
            return words.selector(value, NUMBERS)
        if name == "rflags":
            return words.flags(value, words.RFLAGS)
        return f"stack: {words.stack(value, NUMBERS, name_of)}" if name == "rsp" else ""


class Gate(Command):
    """rung-idt VECTOR: where an interrupt goes, and on which stack."""

    name = "rung-idt"

    def run(self, vector):
        vector = number(vector)
        base, limit = tables("IDT")
        if 16 * vector + 15 > limit:
            raise gdb.GdbError(f"IDTR's limit is {limit:#x}: there is no gate {vector}")
        low, selector, ist, attributes, middle, high = struct.unpack(
            "<HHBBHI4x", read(base + 16 * vector, 16))
        gdb.execute(f"info symbol {high << 32 | middle << 16 | low:#x}")
        print(f"selector {selector:#x}, IST {ist}, type {attributes & 15:#x}, "
              f"DPL {attributes >> 5 & 3}, {'present' if attributes & 0x80 else 'NOT PRESENT'}")


class Iretq(Command):
    """rung-iretq [ADDRESS]: the five words that IRETQ takes, by default those at RSP, and what the
    processor will say to them (Intel SDM vol. 2A, IRET)."""

    name = "rung-iretq"

    def run(self, address="$rsp"):
        rip, cs, rflags, rsp, ss = struct.unpack("<5Q", read(number(address), 40))
        print(f"RIP     {rip:#018x}  {where(rip)}")
        print(f"CS      {cs:#018x}  {words.selector(cs, NUMBERS)}, to ring {cs & RING}")
        print(f"RFLAGS  {rflags:#018x}  {words.flags(rflags, words.RFLAGS)}")
        print(f"RSP     {rsp:#018x}  stack: {words.stack(rsp, NUMBERS, name_of)}")
        print(f"SS      {ss:#018x}  {words.selector(ss, NUMBERS)}")
        wrong = [*code_faults(cs), *stack_faults(cs, ss)]
        if cs & RING < register("cs") & RING:
            wrong.insert(0, f"#GP: CS asks for ring {cs & 3}, from ring {register('cs') & 3}: "
                            "IRETQ only goes outwards")
        if paging.canonical(rip & (1 << 48) - 1) != rip:
            wrong.append("#GP: RIP is not canonical")
        for line in wrong or ["IRETQ will take them.", *afterwards(rip, cs, rflags)]:
            print(line)
        if "iret" not in instruction(register("rip")):
            print(f"(Next is not iretq, but {instruction(register('rip'))})")


def descriptor(selector):
    """Type, S, DPL, present and L of a descriptor; None where the GDT has none."""
    base, limit = tables("GDT")
    if selector & 4 or (selector & SELECTOR_BITS) + 7 > limit:
        return None
    data = int.from_bytes(read(base + (selector & SELECTOR_BITS), 8), "little")
    return (data >> 40 & 15, data >> 44 & 1, data >> 45 & 3, data >> 47 & 1, data >> 53 & 1,
            data >> 54 & 1)


def code_faults(cs):
    """What is wrong with CS, in the order in which the processor looks."""
    if not cs & SELECTOR_BITS:
        return ["#GP: CS is the null selector"]
    found = descriptor(cs)
    if not found:
        return [f"#GP: CS {cs:#x}: the GDT has no such entry"]
    kind, ordinary, dpl, present, long, wide = found
    if not ordinary or not kind & CODE:
        return [f"#GP: CS {cs:#x} is no code segment"]
    if not kind & CONFORMING and dpl != cs & RING:
        return [f"#GP: CS {cs:#x} asks for ring {cs & 3}, and its descriptor has DPL {dpl}"]
    if not present:
        return [f"#NP: the descriptor of CS {cs:#x} is not present"]
    if not long:
        return [f"L is 0 in the descriptor of CS {cs:#x}: what follows is "
                f"{32 if wide else 16}-bit code"]
    return ["#GP: L and D are both 1 in the descriptor of CS"] if wide else []


def stack_faults(cs, ss):
    """What is wrong with SS. In 64-bit mode ring 0 may have a null one."""
    ring = cs & RING
    if not ss & SELECTOR_BITS:
        return [] if ring != 3 else ["#GP: SS is the null selector, which ring 3 may not have"]
    if ss & RING != ring:
        return [f"#GP: SS {ss:#x} asks for ring {ss & 3}, and CS for ring {ring}"]
    found = descriptor(ss)
    if not found:
        return [f"#GP: SS {ss:#x}: the GDT has no such entry"]
    kind, ordinary, dpl, present, *_ = found
    if not ordinary or kind & CODE or not kind & WRITABLE:
        return [f"#GP: SS {ss:#x} is no data segment that can be written"]
    if dpl != ring:
        return [f"#GP: SS {ss:#x} has DPL {dpl}, and CS asks for ring {ring}"]
    return [] if present else [f"#SS: the descriptor of SS {ss:#x} is not present"]


def afterwards(rip, cs, rflags):
    """What meets the first instruction there."""
    memory = Memory()
    found = paging.walk(memory, register("cr3"), rip)
    ring = cs & RING
    if not found:
        yield f"Then #PF: {paging.explain(memory, register('cr3'), rip)}"
    elif not found.executable or ring == 3 and not found.user:
        yield ("Then #PF: the page of RIP is "
               f"{words.rights(found.writable, found.executable, found.user)}")
    if ring == 3 and not rflags & 1 << 9:
        yield "IF is 0: no timer will interrupt the program"
    if rflags & 1 << 8:
        yield "TF is set: #DB after one instruction"


Trap()
Gate()
Iretq()
