"""The processor's state in words, at once (rung-state) or a line per instruction (rung-step)."""

import gdb

from common.gdb import back
from common.gdb.machine import (NUMBERS, RING, WORD, Command, has, instruction, integer,
                                kernel_bytes, monitor, move, name_of, packet, register,
                                where)
from common.gdb.processes import owner
from grade import words
from grade.machine.gdbremote import NAMES

IF = 1 << 9
RSP0 = NUMBERS["TSS_RSP0"]
MSRS = {"STAR": 0xC0000081, "LSTAR": 0xC0000082, "SFMASK": 0xC0000084}
RDMSR = b"\x0f\x32"
WIDTH = 80


def ring():
    """The ring; in real mode CS is no selector, and it is 0."""
    return register("cs") & RING if register("cr0") & 1 else 0


def percpu():
    """Where GS_BASE leads in the kernel: struct percpu. 0 in labs that have none."""
    symbol = gdb.lookup_global_symbol("percpu")
    return int(symbol.value().address) & WORD if symbol else 0


def gs():
    """Whose GS is active."""
    if not percpu():
        return "-"
    return "kernel" if register("gs_base") == percpu() else "program"


def stack():
    return words.stack(register("rsp"), NUMBERS, name_of)


class Step(Command):
    """rung-step [COUNT]: instructions, a line each: ring, IF, and whose GS, tables and stack are in
    use before it; with a negative count backwards, in a replay."""

    name = "rung-step"
    TITLE = "ring IF  GS      tables        stack         the instruction that is next"

    def run(self, count="1"):
        count = int(gdb.parse_and_eval(count))
        backwards = count < 0
        if backwards and back.position() is None:
            raise gdb.GdbError("to go backwards it takes a replay: make rewind")
        print(self.TITLE)
        print(self.line())
        for _ in range(abs(count)):
            if not backwards and back.replay:
                back.replay.guard("stepi")
            before = register("rip"), register("rsp"), register("rcx")
            move("bs" if backwards else "s")
            print(self.line())
            if before == (register("rip"), register("rsp"), register("rcx")):
                print("The machine does not go on from here.")
                return

    @staticmethod
    def line():
        rip = register("rip")
        tables = owner(register("cr3")).replace(", ", " ")
        place = name_of(rip) or f"{rip:#x}"
        interrupts = "on" if register("eflags") & IF else "off"
        return (f"{ring():4} {interrupts:3} {gs():7} {tables:13} {stack():13} "
                f"{place}: {instruction(rip)}")[:WIDTH]


class State(Command):
    """rung-state: the processor in words: ring, stack, tables, GS, TSS, SYSCALL's registers."""

    name = "rung-state"

    def run(self):
        rip, rflags, cr3 = register("rip"), register("eflags"), register("cr3")
        print(f"ring    {ring()}, at {where(rip)}: {instruction(rip)}")
        print(f"RFLAGS  {rflags:#x}: {words.flags(rflags, words.RFLAGS)}; interrupts are "
              f"{'on' if rflags & IF else 'off'}")
        print(f"CS, SS  {words.selector(register('cs'), NUMBERS)}, "
              f"{words.selector(register('ss'), NUMBERS)}")
        print(f"stack   {register('rsp'):#x}: {stack()}")
        print(f"tables  CR3 {cr3:#x}: {owner(cr3)}")
        self.bases()
        self.task()
        for name, bits in (("CR0", words.CR0), ("CR4", words.CR4),
                           ("EFER", words.EFER)):
            value = register(name.lower())
            print(f"{name:7} {value:#x}: {words.flags(value, bits)}")
        print(f"CR2     {register('cr2'):#x}: the address of the last page fault")
        self.system_calls()

    def bases(self):
        other = register("k_gs_base")
        if percpu():
            print(f"GS      base {register('gs_base'):#x}: the {gs()}'s; the other "
                  f"(KERNEL_GS_BASE): {other:#x}")
            for field, value in self.percpu_fields():
                on = f": {words.stack(value, NUMBERS, name_of)}" if field.endswith("rsp") else ""
                print(f"percpu  {field} {value:#x}{on}")
        else:
            print(f"GS, FS  base {register('gs_base'):#x}, {register('fs_base'):#x}")

    @staticmethod
    def percpu_fields():
        kind = gdb.lookup_type("struct percpu")
        try:
            value = gdb.Value(kernel_bytes(percpu(), kind.sizeof), kind)
        except gdb.GdbError:  # lab 6, before it has its entry area
            return
        for field in kind.fields():
            yield field.name, integer(value[field.name])

    @staticmethod
    def task():
        selector, base, limit = monitor(
            "info registers", r"TR *= *([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)")
        if not selector:
            print("TSS     none: TR is null")
            return
        rsp0 = int.from_bytes(kernel_bytes(base + RSP0, 8), "little")
        on = words.stack(rsp0, NUMBERS, name_of) if rsp0 else "not set"
        print(f"TSS     at {base:#x}, limit {limit:#x}; RSP0 {rsp0:#x}: {on}")

    @staticmethod
    def system_calls():
        if not has("syscall_entry"):
            return
        values = read_msrs()
        if values is None:
            print("STAR, LSTAR, SFMASK: they can be asked in ring 0 only, and not in a replay")
            return
        star = values["STAR"]
        call, back_to = star >> 32 & 0xFFFF, star >> 48 & 0xFFFF
        print(f"STAR    SYSCALL: CS {call & ~3:#x}, SS {call + 8:#x}; SYSRET: CS "
              f"{back_to + 16 | 3:#x}, SS {back_to + 8 | 3:#x}")
        print(f"LSTAR   {where(values['LSTAR'])}")
        print(f"SFMASK  clears {words.flags(values['SFMASK'], words.RFLAGS) or 'nothing'}")


def read_msrs():
    """What RDMSR reads: gdb's protocol has no way to ask, so the processor is borrowed for one
    instruction of the kernel's own. In a replay it may not do anything else than it did."""
    if ring() or back.position() is not None:
        return None
    place = find_rdmsr()
    if not place:
        return None
    kept = {name: get(name) for name in ("rip", "rax", "rcx", "rdx")}
    values = {}
    try:
        for name, msr in MSRS.items():
            put("rcx", msr)
            put("rip", place)
            packet("s")
            values[name] = (get("rdx") & 0xFFFFFFFF) << 32 | get("rax") & 0xFFFFFFFF
    finally:
        for name, value in kept.items():
            put(name, value)
    return values


def get(name):
    """A register, past gdb, which would look for a function at every RIP."""
    return int.from_bytes(bytes.fromhex(packet(f"p{NAMES.index(name):x}")), "little")


def put(name, value):
    packet(f"P{NAMES.index(name):x}={value.to_bytes(8, 'little').hex()}")


def find_rdmsr():
    """The address of an RDMSR in the kernel's code; 0 if it has none, or if it is not mapped."""
    try:
        start, end = (int(gdb.parse_and_eval(f"&{name}")) & WORD
                      for name in ("text_start", "text_end"))
        code = bytes(gdb.selected_inferior().read_memory(start, end - start))
    except gdb.error:
        return 0
    at = code.find(RDMSR)
    return start + at if at >= 0 else 0


Step()
State()
