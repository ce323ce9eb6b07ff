"""Processes, as the kernel's own table has them, whatever fields they have in the lab."""

import contextlib

import gdb

from common.gdb.machine import (NUMBERS, WORD, Command, at, has, integer, kernel_bytes, name_of,
                                own_root, register, variable)
from grade import words
from grade.machine import paging
from grade.outcome import Failure

SHADOW_BIT = NUMBERS["SHADOW_BIT"]
UNUSED = "PROCESS_UNUSED"


class Process:
    """One process: the fields that there are in this lab."""

    def __init__(self, address, value):
        self.address, self.value = address, value

    def __getitem__(self, field):
        """A field of struct process; None where this lab's has none of that name."""
        names = [each.name for each in self.value.type.fields()]
        return self.value[field] if field in names else None

    @property
    def number(self):
        return 1 if self["pid"] is None else integer(self["pid"])

    @property
    def root(self):
        return integer(self["image"]["root"]) & paging.ADDRESS

    @property
    def program(self):
        """The name of its program."""
        name = self["image"]["name"]
        letters = bytes(int(name[i]) & 255 for i in range(name.type.range()[1] + 1))
        return letters.partition(b"\0")[0].decode(errors="replace")

    @property
    def state(self):
        if self["state"] is None:
            return "running"
        return str(self["state"]).removeprefix("PROCESS_").lower()

    def __str__(self):
        return f"pid {self.number} ({self.program})"


def all_processes():
    """Those that there are now: all of the table, or in labs 3 and 4 the one that runs."""
    table = gdb.lookup_global_symbol("process_table")
    if table:
        first, kind = int(table.value().address) & WORD, table.type.target()
        used = min(integer(variable("process_table_end")), table.type.range()[1] + 1)
        data = kernel_bytes(first, used * kind.sizeof)  # all at once: each read takes its time
        found = [Process(first + start, gdb.Value(data[start:start + kind.sizeof], kind))
                 for start in range(0, len(data), kind.sizeof)]
        return [each for each in found if str(each["state"]) != UNUSED]
    current = current_address()
    return [Process(current, at(current, "struct process"))] if current else []


def current_address():
    """Where the struct of the process is whose address space is in use; 0 if there is none."""
    current = variable("current_process")
    return integer(current) if current is not None else 0


def owner(cr3):
    """Whose page tables these are: `kernel`, `pid 2`, `pid 2, shadow`, `boot`."""
    root = cr3 & paging.ADDRESS
    if not register("cr0") >> 31:
        return "none"
    if root == own_root():
        return "kernel"
    with contextlib.suppress(gdb.GdbError, gdb.error, Failure):  # tables may be broken
        for process in all_processes():
            if process.root == root:
                return f"pid {process.number}"
            if process.root and process.root | SHADOW_BIT == root and has("entry_stubs"):
                return f"pid {process.number}, shadow"
    return "boot" if root < NUMBERS["KERNEL_PHYSICAL"] + NUMBERS["IMAGE_LIMIT"] else "unknown"


class Processes(Command):
    """rung-ps: the kernel's processes: number, state, parent, what it waits for, stack, program."""

    name = "rung-ps"

    def run(self):
        if not gdb.lookup_global_symbol("current_process"):
            raise gdb.GdbError("this lab has no processes; those from lab 3 on have")
        found, current = all_processes(), current_address()
        if not found:
            print("There is no process now.")
            return
        print("   PID STATE    PARENT  RSP IN THE KERNEL  PROGRAM, AND WHAT IT WAITS FOR")
        for process in found:
            print(self.line(process, process.address == current))

    def line(self, process, runs):
        parent = process["parent"]
        above = "-" if parent is None or not integer(parent) else str(
            Process(integer(parent), at(integer(parent), "struct process")).number)
        saved = process["switch_rsp"]
        rsp = integer(process["kernel_stack"]["top"]) if saved is None or runs else integer(saved)
        return (f"{'*' if runs else ' '}{process.number:5} {process.state:8} {above:>6}  "
                f"{rsp:#018x} {process.program}{self.waits(process)}")

    @staticmethod
    def waits(process):
        channel = process["channel"]
        if process.state != "blocked" or channel is None or not integer(channel):
            return ""
        address = integer(channel)
        for other in all_processes():
            if other.address <= address < other.address + other.value.type.sizeof:
                return f": pid {other.number}"
        return f": {name_of(address) or words.region(address, NUMBERS, name_of)}"


Processes()
