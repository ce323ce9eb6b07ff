"""Rung's gdb commands: what is on the stack after a trap, and where an address leads.

gdb sources this file (make gdb, make debug). It knows the kernel only through its debug
information, and asks QEMU's monitor for what gdb cannot see: physical memory and IDTR. So it works
in every lab, on any page tables, in ring 3 too.
"""

import re
import struct

import gdb

FRAME_MASK = 0x000FFFFFFFFFF000
PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1, 2, 4, 1 << 7, 1 << 63
SIZES = {1: "4 KiB", 2: "2 MiB", 3: "1 GiB"}


def number(text):
    return int(gdb.parse_and_eval(text)) & (2**64 - 1)


def monitor(command, pattern):
    """The numbers that the pattern finds in what QEMU's monitor answers."""
    answer = gdb.execute("monitor " + command, to_string=True)
    found = re.search(pattern, answer)
    if not found:
        raise gdb.GdbError(f"QEMU's monitor says: {answer.strip()}")
    return [int(group, 16) for group in found.groups()]


def read_u64(physical):
    return monitor(f"xp /1gx {physical:#x}", r": 0x([0-9a-f]+)")[0]


def read_gate(vector):
    """Offset, selector, IST and attributes of a gate, from the table that IDTR leads to."""
    base, limit = monitor("info registers", r"IDT= *([0-9a-f]+) ([0-9a-f]+)")
    if 16 * vector + 15 > limit:
        raise gdb.GdbError(f"IDTR's limit is {limit:#x}: there is no gate {vector}")
    memory = gdb.selected_inferior().read_memory(base + 16 * vector, 16)
    low, selector, ist, attributes, middle, high = struct.unpack("<HHBBHI4x", bytes(memory))
    return high << 32 | middle << 16 | low, selector, ist, attributes


def rights(entry):
    """The flags of an entry as the manual's letters, in one short word."""
    return "".join(
        (
            "u" if entry & USER else "s",
            "w" if entry & WRITABLE else "-",
            "-" if entry & NO_EXECUTE else "x",
            " large" if entry & LARGE else "",
        )
    )


class Walk(gdb.Command):
    """rung-walk ADDRESS [ROOT]: the entry of each level for an address, by CR3 or another root."""

    def __init__(self):
        super().__init__("rung-walk", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) not in (1, 2):
            raise gdb.GdbError("usage: rung-walk ADDRESS [ROOT]")
        address = number(words[0])
        table = number(words[1] if len(words) == 2 else "$cr3") & FRAME_MASK
        for level in (4, 3, 2, 1):
            index = address >> (12 + 9 * (level - 1)) & 511
            entry = read_u64(table + 8 * index)
            print(f"L{level}[{index:3}] at {table:#x}: {entry:#018x} {rights(entry)}")
            if not entry & PRESENT:
                print("not mapped")
                return
            if level == 1 or (level < 4 and entry & LARGE):
                span = 1 << (12 + 9 * (level - 1))
                physical = (entry & FRAME_MASK & ~(span - 1)) | (address & (span - 1))
                print(f"physical {physical:#x}, in a page of {SIZES[level]}")
                return
            table = entry & FRAME_MASK


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


class Trap(gdb.Command):
    """rung-trap [FRAME]: the struct trap_frame at an address; by default what trap()
    or its handler was given."""

    def __init__(self):
        super().__init__("rung-trap", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        address = number(argument) if argument else innermost_trap_frame()
        frame = gdb.parse_and_eval(f"*(struct trap_frame *){address}")
        for field in frame.type.fields():
            print(f"{field.name:7} {int(frame[field.name]) & (2**64 - 1):#018x}")


class Gate(gdb.Command):
    """rung-idt VECTOR: where an interrupt goes, and on which stack."""

    def __init__(self):
        super().__init__("rung-idt", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("usage: rung-idt VECTOR")
        offset, selector, ist, attributes = read_gate(number(argument))
        gdb.execute(f"info symbol {offset:#x}")
        print(
            f"selector {selector:#x}, IST {ist}, "
            f"type {attributes & 15:#x}, DPL {attributes >> 5 & 3}, "
            f"{'present' if attributes & 0x80 else 'NOT PRESENT'}"
        )


Walk()
Trap()
Gate()
