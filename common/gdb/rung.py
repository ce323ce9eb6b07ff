"""Rung's gdb commands: what is on the stack after a trap, and where an address leads.

gdb sources this file (make gdb, make debug). It knows the kernel only through its debug information
and reads page tables through the window on physical memory, so it works in every lab.
"""

import gdb

WINDOW_BASE = 0xFFFF800000000000
FRAME_MASK = 0x000FFFFFFFFFF000
PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1, 2, 4, 1 << 7, 1 << 63
SIZES = {1: "4 KiB", 2: "2 MiB", 3: "1 GiB"}


def number(text):
    return int(gdb.parse_and_eval(text)) & (2**64 - 1)


def read_u64(physical):
    memory = gdb.selected_inferior().read_memory(WINDOW_BASE + physical, 8)
    return int.from_bytes(bytes(memory), "little")


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


class Trap(gdb.Command):
    """rung-trap [FRAME]: the struct trap_frame at an address; by default trap()'s argument."""

    def __init__(self):
        super().__init__("rung-trap", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        expression = argument or "frame"
        frame = gdb.parse_and_eval(f"(struct trap_frame *)({expression})").dereference()
        for field in frame.type.fields():
            print(f"{field.name:7} {int(frame[field.name]) & (2**64 - 1):#018x}")


class Gate(gdb.Command):
    """rung-idt VECTOR: where an interrupt goes, and on which stack."""

    def __init__(self):
        super().__init__("rung-idt", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("usage: rung-idt VECTOR")
        gate = gdb.parse_and_eval(f"idt[{argument}]")
        low, middle, high = (int(gate["offset_" + part]) for part in ("low", "middle", "high"))
        attributes = int(gate["attributes"])
        gdb.execute(f"info symbol {high << 32 | middle << 16 | low:#x}")
        print(
            f"selector {int(gate['selector']):#x}, IST {int(gate['ist'])}, "
            f"type {attributes & 15:#x}, DPL {attributes >> 5 & 3}, "
            f"{'present' if attributes & 0x80 else 'NOT PRESENT'}"
        )


Walk()
Trap()
Gate()
