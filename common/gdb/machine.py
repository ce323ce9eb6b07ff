"""What gdb's commands read: registers, the kernel's variables, and physical memory.

In ring 3 the tables in use may not show the kernel (lab 6). So its variables are read through the
kernel's own tables, and tables through physical memory, which QEMU's stub shows when asked to."""

import contextlib
import inspect
import re

import gdb

from grade.machine import layout, paging
from grade.outcome import Failure

WORD = (1 << 64) - 1
RING = 3  # the bits of a selector that are a ring
NUMBERS = layout.numbers()
KERNEL_BASE = NUMBERS["KERNEL_BASE"]
FOUR_GIB = 4 << 30
GDB_11 = int(re.search(r"\d+", gdb.VERSION)[0]) >= 11
PATIENCE = 1 << 20  # seconds
LABELS = {"stacks_start": "boot_stack"}  # of two names for one place, the one that says more
STOPPED = ("T05", "S05", "T02", "S02")  # SIGTRAP; SIGINT, where QEMU stopped by itself
# Now and then QEMU 10 does not stop where a way back begins, but goes on to the recording's end;
# most of all where its threads have one processor between them.
LOST = ("QEMU went on to the end of the recording, and cannot go back from there. It does that "
        "now and then: make rewind again")


class Command(gdb.Command):
    """A command of Rung's: the docstring of its class is its help, and `run` gets its words."""

    name = ""

    def __init__(self):
        super().__init__(self.name, gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        given = gdb.string_to_argv(argument)
        try:
            inspect.signature(self.run).bind(*given)
        except TypeError:
            raise gdb.GdbError(f"usage: {self.__doc__.partition(':')[0]}") from None
        if not gdb.selected_inferior().pid:
            raise gdb.GdbError(f"{self.name}: there is no machine. First make debug or make rewind")
        try:
            self.run(*given)
        except gdb.error as error:
            raise gdb.GdbError(f"{self.name}: {error}") from None
        except Failure as failure:
            raise gdb.GdbError(f"{self.name}: {failure.seen}") from None


def number(text):
    """The value of an expression; of a function or an array, its address."""
    value = gdb.parse_and_eval(text)
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_ARRAY):
        value = value.address
    return int(value) & WORD


def register(name):
    return int(gdb.parse_and_eval(f"${name}")) & WORD


def packet(text):
    """Say something to QEMU in gdb's protocol, and hear the answer."""
    said = gdb.execute(f"maintenance packet {text}", to_string=True)
    found = re.search(r'^received: "(.*)"', said, re.M)
    return found[1] if found else ""


lost = []  # what QEMU answered when it was


def move(how):
    """Let the machine move without gdb's words on each stop: `s`, a step; `bs`, one back; `bc`,
    back to a watchpoint; `c`, on. gdb then forgets what it knew of the registers."""
    if lost:
        raise gdb.GdbError(LOST)
    patience = gdb.parameter("remotetimeout")
    gdb.execute(f"set remotetimeout {PATIENCE}")
    try:
        answer = packet(how)
    finally:
        gdb.execute(f"set remotetimeout {patience}")
        gdb.execute("maintenance flush register-cache" if GDB_11 else "flushregs", to_string=True)
    if not answer.startswith(STOPPED):
        lost.append(answer)
        raise gdb.GdbError(LOST)
    return answer


def monitor(command, pattern):
    """The numbers that the pattern finds in what QEMU's monitor answers."""
    answer = gdb.execute("monitor " + command, to_string=True)
    found = re.search(pattern, answer)
    if not found:
        raise gdb.GdbError(f"QEMU's monitor says: {answer.strip()}")
    return [int(group, 16) for group in found.groups()]


def physical(address, size):
    """Physical memory."""
    packet("Qqemu.PhyMemMode:1")
    try:
        return bytes(gdb.selected_inferior().read_memory(address, size))
    finally:
        packet("Qqemu.PhyMemMode:0")


class Memory:
    """Physical memory, as paging.py reads it."""

    def __init__(self):
        answer = gdb.execute("monitor info memory_size_summary", to_string=True)
        self.size = int(re.search(r"base memory: (\d+)", answer)[1])

    def contains(self, address, size=1):
        """QEMU puts what does not fit below its devices above 4 GiB."""
        return 0 <= address and (address + size <= min(self.size, FOUR_GIB)
                                 or FOUR_GIB <= address and address + size <= FOUR_GIB + self.size)

    def u64(self, address):
        return int.from_bytes(physical(address, 8), "little")

    def table(self, address):
        return memoryview(physical(address, 4096)).cast("Q").tolist()


def own_root():
    """The level-4 table that the kernel has made for itself; 0 before it has, and in lab 1."""
    symbol = gdb.lookup_global_symbol("kernel_root")
    if not symbol:
        return 0
    variable = physical((int(symbol.value().address) & WORD) - KERNEL_BASE, 8)
    return int.from_bytes(variable, "little") & paging.ADDRESS


def kernel_root():
    """The level-4 table by which the kernel is seen: its own, once it has one."""
    return own_root() or register("cr3") & paging.ADDRESS


def translate(address):
    """Where an address leads: by the tables in use, or else by the kernel's, which in ring 3 may
    show more, and early in its life are not finished. None if it is mapped in neither."""
    memory = Memory()
    for root in (register("cr3"), kernel_root()):
        with contextlib.suppress(Failure):
            found = paging.walk(memory, root, address)
            if found:
                return found
    return None


def kernel_bytes(address, size):
    """The kernel's memory, whatever tables are in use."""
    if not register("cr0") >> 31:
        return bytes(gdb.selected_inferior().read_memory(address, size))
    data = b""
    while len(data) < size:
        at = address + len(data)
        found = translate(at)
        if not found:
            raise gdb.GdbError(paging.explain(Memory(), register("cr3"), at))
        data += physical(found.pa, min(size - len(data), found.size - at % found.size))
    return data


def at(address, type_name):
    """What lies at an address of the kernel's, as gdb's value of a type."""
    kind = gdb.lookup_type(type_name) if isinstance(type_name, str) else type_name
    return gdb.Value(kernel_bytes(address, kind.sizeof), kind)


def variable(name):
    """A variable of the kernel's, or None where the lab has none of that name."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if not symbol:
        return None
    return at(int(symbol.value().address), symbol.type)


def has(name):
    """Does the kernel have a function, a variable or a label of this name?"""
    with contextlib.suppress(gdb.error):
        gdb.parse_and_eval(f"&{name}")
        return True
    return False


def integer(value):
    """A number, or what paddr_t wraps: a struct with one field."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT:
        return integer(value[kind.fields()[0]])
    return int(value) & WORD


def name_of(address):
    """`function`, `variable+0x12`, or "" for what has no name."""
    said = gdb.execute(f"info symbol {address:#x}", to_string=True)
    found = re.match(r"(\S+)(?: \+ (\d+))?(?: in section|$)", said)
    if not found or said.startswith("No symbol"):
        return ""
    name, offset = LABELS.get(found[1], found[1]), int(found[2] or 0)
    return name + (f"+{offset:#x}" if offset else "")


def where(address):
    """`function+0x12 (file.c:42)`, or the address."""
    line = gdb.find_pc_line(address)
    file = f" ({line.symtab.filename.rpartition('/')[2]}:{line.line})" if line.symtab else ""
    return (name_of(address) or f"{address:#x}") + file


def instruction(address):
    """The instruction at an address: operands in nasm's order, and places by their names."""
    try:
        said = gdb.selected_inferior().architecture().disassemble(address)[0]["asm"]
    except gdb.error:
        return "(not mapped)"
    return re.sub(r"\s+", " ", re.sub(r"0x[0-9a-f]+ <(.*?)>", r"\1", said)).strip()
