"""Lab 1: from the boot loader to exceptions that explain themselves. What earns points.

A student's kernel is complete up to some exercise and stops at the next one, so every check stops
it at the first place where its own subject is done, and looks at the machine there. The tools that
only these checks need are in grade/lab1/."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from random import Random

from grade.check import check, equal, expect
from grade.lab import Lab
from grade.lab1 import boot_tables, segments
from grade.lab1.boot_info import ENTRY_SIZES, Information, random_information
from grade.lab1.uart import MOST_STEPS, NoUart, Uart, call_with
from grade.machine import Call, Interrupt, Machine, MemoryArea, layout
from grade.machine.disc import make_disc
from grade.machine.layout import (CR4_PAE, FCR_CLEAR_BOTH, FCR_ENABLE, MCR_LOOPBACK, PAGE,
                                  VECTOR_BP, VECTOR_DB, VECTOR_DE, VECTOR_DF, VECTOR_GP, VECTOR_NMI,
                                  VECTOR_NP, VECTOR_PF, VECTOR_UD)
from grade.machine.multiboot2 import Module, memory_map
from grade.machine.paging import NO_EXECUTE, WRITABLE
from grade.machine.session import Ending
from grade.machine.state import (DF, FIXED, ID, IF, IST, OWN_STACK, RESTORED, TF, WITH_ERROR_CODE,
                                 State, come_back_changed, compare, frame_size, ist_top,
                                 random_flags, random_registers, read_frame, values)
from grade.outcome import Failure, Outcome

SELECTOR_ERRORS = {10: "#TS", 11: "#NP", 12: "#SS", 13: "#GP"}

# CR0 and EFER as enter_long_mode must leave them (SDM vol. 3A 2.5, 2.2.1).
CONTROL_BITS = (
    ("cr0", 0, "PE (protection)"), ("cr0", 31, "PG (paging)"), ("cr0", 16, "WP (write protect)"),
    ("efer", 8, "LME (long mode enable)"), ("efer", 10, "LMA (long mode active)"),
    ("efer", 11, "NXE (no-execute enable)"))

LEFT_IN_CR4 = (2, 3, 4, 6, 7, 9, 10)  # TSD DE PSE MCE PGE OSFXSR OSXMMEXCPT: firmware may set them

# mov al, 0x99; out 0xf4, al: leaves QEMU at once if the processor comes here
LEAVE = bytes.fromhex("b099e6f4")


# ---- Exercise 1.1: .bss and the boot page tables ---------------------------------------------

def physical(lab: Lab, machine: Machine, name: str) -> int:
    """Where a symbol of the image is in physical memory."""
    address = machine.sym(name)
    base = layout.KERNEL_BASE
    return address - base if address >= base else address


def first_rubbish(data: bytes) -> int | None:
    """Where memory that should be zero begins to hold something."""
    rest = data.lstrip(b"\0")
    return len(data) - len(rest) if rest else None


def first_difference(a: bytes, b: bytes) -> int:
    """Where two pieces of the same length begin to differ."""
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle)
    return low


def named(lab: Lab, machine: Machine, pa: int) -> str:
    """A physical address, and what of the kernel lies there."""
    va = pa + layout.KERNEL_BASE
    name = machine.symbols.object(va) if pa >= layout.KERNEL_PHYSICAL else ""
    return f"physical {pa:#x}" + (f" (in {name})" if name else "")


@check("T1.1", title="All of .bss is zero before paging is on, and nothing else was written",
       points=6, exercise="1.1", debug_at="clear_bss",
       hint="clear_bss: from which address to which, and in units of how many bytes? The grader "
            "fills RAM with 0xa5 before it starts the kernel; `p &bss_start` and `p &bss_end` in "
            "gdb show the limits")
def test_bss(lab: Lab) -> None:
    """All of RAM at two places: .bss when make_boot_tables begins, and the rest when it has
    ended."""
    with lab.boot() as machine:
        before = machine.phys.read(0, machine.phys.size)
        low, high = (physical(lab, machine, name) for name in ("bss_start", "bss_end"))
        machine.run_to("make_boot_tables")
        bss = machine.phys.read(low, high - low)
        at = first_rubbish(bss)
        expect(at is None, f"{named(lab, machine, low + (at or 0))} in .bss holds "
               f"{bss[at or 0]:#04x} when make_boot_tables begins",
               f"0 everywhere in bss_start..bss_end, {low:#x}..{high:#x}")
        machine.run_to("enter_long_mode")
        after = machine.phys.read(0, machine.phys.size)
        stack = physical(lab, machine, "boot_stack")
        own = stack + layout.STACK_GUARD_SIZE + layout.STACK_SIZE
        unchanged(lab, machine, before, after, sorted([(low, high), (stack, own)]))


def unchanged(lab: Lab, machine: Machine, before: bytes, after: bytes,
              but: list[tuple[int, int]]) -> None:
    """Nothing was written outside these ranges."""
    starts = [0, *(end for _, end in but)]
    ends = [*(start for start, _ in but), len(before)]
    for start, end in zip(starts, ends):
        if before[start:end] != after[start:end]:
            pa = start + first_difference(before[start:end], after[start:end])
            expect(False, f"{named(lab, machine, pa)} was overwritten: it held {before[pa]:#04x} "
                   f"and holds {after[pa]:#04x}",
                   "clear_bss and make_boot_tables write to .bss, from bss_start up to bss_end, "
                   "and to the boot stack only")


@check("T1.2", title="The boot tables map the kernel image, each part with its rights, and no more",
       points=8, exercise="1.1", debug_at="make_boot_tables",
       hint="make_boot_tables, up to level 1 (.map): which entry is written for which page, and "
            "which of the bits P, W and NX does each part of the image get? SDM vol. 3A table 4-20")
def test_image_tables(lab: Lab) -> None:
    """Every page that the tables at boot_l4 map outside the window: address, size, frame,
    rights."""
    with lab.boot() as machine:
        machine.run_to("enter_long_mode")
        base, here = layout.KERNEL_BASE, layout.WINDOW_BASE >> 39 & 511
        l4 = physical(lab, machine, "boot_l4")
        found = [*machine.memory.mappings(l4, 0, here - 1),
                 *machine.memory.mappings(l4, here + 1, 511)]
        boot_tables.compare(boot_tables.seen(found), boot_tables.image(machine, base), machine)


@check("T1.3", title="The boot tables open the window on the first 4 GiB of physical memory",
       points=6, exercise="1.1", debug_at="make_boot_tables",
       hint="make_boot_tables, the window: level 2 holds 2 MiB pages, so which bit must each of "
            "its entries have, and in which half of the entry is NX? SDM vol. 3A table 4-18")
def test_window_tables(lab: Lab) -> None:
    """Every page of the window: address, size, frame, rights."""
    with lab.boot() as machine:
        machine.run_to("enter_long_mode")
        base, size = layout.WINDOW_BASE, layout.BOOT_WINDOW_SIZE
        slot = base >> 39 & 511
        found = machine.memory.mappings(physical(lab, machine, "boot_l4"), slot, slot)
        boot_tables.compare(boot_tables.seen(found), boot_tables.window(base, size), machine)


# ---- Exercise 1.2: into long mode -------------------------------------------------------------

def come_to(machine: Machine, place: str) -> None:
    """Run to a place while no IDT is loaded. Then any exception resets the machine; that the IDT
    is missing is no news, and the check's own hint says better where to look."""
    try:
        machine.run_to(place)
    except Failure as failure:
        failure.hint = ""
        raise


@check("T1.4", title="kmain starts in 64-bit mode, with paging, write protection and NX at work",
       points=10, exercise="1.2", debug_at="enter_long_mode",
       hint="enter_long_mode: which bits of CR4, EFER and CR0 are set, and in which order? "
            "SDM vol. 3A 9.8.5; `info registers cr0 cr3 cr4 efer` in gdb")
def test_long_mode(lab: Lab) -> None:
    """Control registers, stack and argument at kmain, started with other bits in CR4; then a write
    to the constants and a jump into the data, which must fault."""
    with lab.boot() as machine:
        machine.set_regs(cr4=sum(1 << bit for bit in lab.rng.sample(LEFT_IN_CR4, 3)))
        come_to(machine, "kmain")
        control_registers(lab, machine)
        handed_over(lab, machine)
    protection(lab)


def control_registers(lab: Lab, machine: Machine) -> None:
    """The switches of long mode, and the tables in use."""
    regs = machine.regs
    for register, bit, name in CONTROL_BITS:
        expect(getattr(regs, register) >> bit & 1,
               f"{register.upper()} is {getattr(regs, register):#x}: bit {bit}, {name}, is 0",
               f"{name} is 1 in {register.upper()}")
    equal(regs.cr4, CR4_PAE, "CR4, where firmware had left other bits,")
    equal(regs.cr3 & ~0xFFF, physical(lab, machine, "boot_l4"), "the address in CR3")
    equal(regs.cs, layout.SELECTOR_KERNEL_CODE, "CS")


def handed_over(lab: Lab, machine: Machine) -> None:
    """What C relies on at its first instruction (psABI 3.2.2)."""
    regs = machine.regs
    low = machine.sym("boot_stack") + layout.STACK_GUARD_SIZE
    high = low + layout.STACK_SIZE
    expect(low < regs.rsp < high, f"RSP is {regs.rsp:#x} at kmain",
           f"an address inside boot_stack, {low:#x}..{high:#x}")
    equal(regs.rsp % 16, 8, "RSP modulo 16 at a function's first instruction")
    equal(regs.rdi, machine.information, "RDI, kmain's argument,",
          "EBP holds the boot information's address until long_mode hands it to kmain")
    equal(regs.rbp, 0, "RBP, where every backtrace ends,")
    expect(not regs.rflags & (DF | IF), f"RFLAGS is {regs.rflags:#x} at kmain",
           "IF (interrupts) and DF (direction) are 0")


def protection(lab: Lab) -> None:
    """Do rights in the tables bind the kernel itself? (Those looked at here are ours.)"""
    with lab.boot() as machine:
        come_to(machine, "kmain")
        address = machine.sym("rodata_start")
        change_leaf(machine, address, clear=WRITABLE)
        fault = fault_at_kmain(machine, b"\xc6\x00\x5a" + LEAVE, rax=address)  # movb $0x5a, (%rax)
        expect(fault and (fault.vector, fault.error, fault.cr2) == (VECTOR_PF, 3, address),
               f"the kernel wrote to its constants at {address:#x}: {told(fault)}",
               "a page fault with error code 3: a write that the page forbids",
               "which bit of CR0 makes the kernel obey read-only pages? SDM vol. 3A 4.6.1")
    with lab.boot() as machine:
        come_to(machine, "kmain")
        address = machine.sym("bss_start")
        change_leaf(machine, address, add=NO_EXECUTE)
        machine.memory.write(address, LEAVE)
        fault = fault_at_kmain(machine, b"", rip=address)
        expect(fault and (fault.vector, fault.error, fault.cr2) == (VECTOR_PF, 0x11, address),
               f"the kernel jumped into its data at {address:#x}: {told(fault)}",
               "a page fault with error code 0x11: a fetch that the page forbids",
               "which bit of EFER makes bit 63 of an entry mean no-execute? SDM vol. 3A 4.6.1")


def change_leaf(machine: Machine, va: int, clear: int = 0, add: int = 0) -> None:
    """Change bits of the entry that maps an address which the processor has not used yet."""
    found = machine.memory.walk(va)
    if not found:
        raise Failure(Outcome.WRONG, f"{va:#x} is not mapped at kmain", "the image is mapped")
    machine.phys.set_u64(found.leaf.pa, found.leaf.value & ~clear | add)


def fault_at_kmain(machine: Machine, code: bytes, **registers: int) -> Interrupt | None:
    """Run code at kmain, where no IDT can catch anything yet: the first exception, if any."""
    before = len(machine.events)
    machine.memory.poke_code(machine.sym("kmain"), code)
    machine.set_regs(**registers)
    stop = machine.run_to_stop()
    if stop.ending not in (Ending.EXIT, Ending.RESET):
        raise machine.classify(stop, "the instruction faults, or is executed")
    return next(iter(machine.events[before:]), None)


def told(fault: Interrupt | None) -> str:
    """An exception for a message."""
    if not fault:
        return "nothing stopped it"
    address = f", CR2 {fault.cr2:#x}" if fault.cr2 is not None else ""
    return f"vector {fault.vector}, error code {fault.error:#x}{address}"


# ---- Exercise 1.3: the serial port ------------------------------------------------------------

@check("T1.5", title="The UART is programmed as its data sheet asks, and what is printed arrives",
       points=6, exercise="1.3", debug_at="serial_init",
       hint="serial_init: which register is at which offset while LCR_DIVISOR is set, and which "
            "when it is not? The PC16550D data sheet, section 8; step over each outb in gdb")
def test_serial_programming(lab: Lab) -> None:
    """Each `in` and `out` of serial_init, answered by a UART that the grader plays; then text
    printed by serial_putc, at the other end of the line."""
    with lab.boot() as machine:
        come_to(machine, "gdt_init")
        uart = Uart()
        found = call_with(machine, uart, "serial_init", layout.COM1)
        programmed(uart)
        found = returned(found)
        expect(found == 1, f"serial_init returned {found} for a UART that works",
               "1 (true): the byte came back in loopback mode")
        expect(not uart.modem & MCR_LOOPBACK and uart.modem & 3 == 3,
               f"the modem control register (MCR) is left at {uart.modem:#x}",
               "loopback (0x10) off, DTR and RTS (0x03) on")
        text = "".join(lab.rng.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        for character in f"{text}\n":
            machine.call("serial_putc", ord(character))
        expect(f"{text}\r\n".encode() in machine.console.raw,
               f"serial_putc was to print {text!r} and a newline, and the line carried "
               f"{machine.console.raw[-20:]!r}", f"{text}\\r\\n at the other end of the line",
               "does serial_init leave loopback mode in the end?")


def programmed(uart: Uart) -> None:
    """The registers of the chip after serial_init, finished or not, in words."""
    equal(uart.line, 0x03, "the line control register (LCR)")
    equal(uart.divisor, 1, "the divisor of the clock",
          "the divisor's halves are reached only while LCR_DIVISOR is set in the line control")
    equal(uart.interrupts, 0, "the interrupt enable register (IER)")
    expect(uart.fifo & FCR_ENABLE, f"the FIFO control register (FCR) is {uart.fifo:#x}",
           "bit 0, FIFO enable, is set", "the FIFOs: FIFO_CONTROL")
    expect(uart.cleared, f"both FIFOs were never cleared: FCR was last set to {uart.fifo:#x}",
           f"FCR written with {FCR_ENABLE | FCR_CLEAR_BOTH:#x}", "the FIFOs: FIFO_CONTROL")
    expect(not uart.sent, f"serial_init sent {bytes(uart.sent)!r} out on the line",
           "the probe's byte is sent in loopback mode only, where no terminal sees it")


def returned(result: int | None) -> int:
    """The bool that serial_init returned, if it did."""
    if result is None:
        raise Failure(Outcome.SPINNING, f"serial_init has not returned after {MOST_STEPS} "
                      "instructions", "it returns, whatever the chip answers")
    return result & 0xFF


@check("T1.6", title="Without a working UART serial_init says so, and printing harms nobody",
       points=4, exercise="1.3", debug_at="serial_init",
       hint="serial_init's last step: what does it send in loopback mode, what does it compare "
            "with what, and what does a port read as that nobody answers?")
def test_serial_probe(lab: Lab) -> None:
    """serial_init and serial_putc with no UART, and with one that garbles a bit."""
    with lab.boot() as machine:
        come_to(machine, "gdt_init")
        base, flips = layout.COM1, 1 << lab.rng.randrange(8)
        broken = Uart(wire=lambda byte: byte ^ flips)
        for uart, words in ((NoUart(), "no UART at all (every port reads as 0xff)"),
                            (broken, f"a UART that garbles bytes (bit mask {flips:#x} flipped)")):
            found = returned(call_with(machine, uart, "serial_init", base))
            expect(found == 0, f"serial_init returned {found} with {words}", "0 (false)")
            before = len(machine.console.raw)
            machine.call("serial_putc", ord("x"))
            equal(len(machine.console.raw), before, f"the bytes printed with {words}")


# ---- Exercise 1.4: the GDT and the TSS --------------------------------------------------------

def same(seen: segments.Fields, expected: segments.Fields, what: str, hint: str = "") -> None:
    """Fail at the first field of a descriptor that is not right."""
    found = segments.difference(seen, expected)
    if found:
        raise Failure(Outcome.WRONG, f"{what}: {found[0]}", f"{what}: {found[1]}", hint)


@check("T1.7", title="Every descriptor of the GDT in use is right, bit for bit",
       points=8, exercise="1.4", debug_at="gdt_init",
       hint="code_descriptor, data_descriptor and tss_descriptor; SDM vol. 3A figures 3-8 and 7-4. "
            "`x/7gx &gdt` in gdb shows the table")
def test_gdt(lab: Lab) -> None:
    """GDTR, TR, the segment registers, each descriptor field by field, and tss_descriptor with
    random addresses."""
    with lab.boot() as machine:
        come_to(machine, "idt_init")
        numbers = layout.numbers()
        table = machine.system.gdtr
        equal(table.base, machine.sym("gdt"), "the base in GDTR")
        equal(table.limit, 8 * numbers["GDT_ENTRIES"] - 1, "the limit in GDTR")
        slots = [machine.memory.u64(table.base + 8 * i) for i in range(numbers["GDT_ENTRIES"])]
        equal(slots[0], 0, "GDT[0], the null descriptor,")
        for name, wanted in (("KERNEL_CODE", segments.code(0)), ("KERNEL_DATA", segments.data(0)),
                             ("USER_DATA", segments.data(3)), ("USER_CODE", segments.code(3))):
            selector = numbers[f"SELECTOR_{name}"]
            same(segments.segment(slots[selector // 8]), wanted,
                 f"GDT[{selector // 8}] ({name.lower().replace('_', ' ')})")
        tss = numbers["SELECTOR_TSS"] // 8
        same(segments.tss(slots[tss], slots[tss + 1]),
             segments.tss_for(machine.sym("cpu_tss"), busy=True), f"GDT[{tss}] (TSS, in use)")
        segment_registers(lab, machine)
        equal(machine.system.tr.selector, numbers["SELECTOR_TSS"], "the selector in TR")
        any_tss(lab, machine)


def segment_registers(lab: Lab, machine: Machine) -> None:
    """All were loaded from the new table."""
    code, data = (layout.numbers()[f"SELECTOR_KERNEL_{name}"] for name in ("CODE", "DATA"))
    for name, wanted in (("cs", code), ("ss", data), ("ds", data), ("es", data),
                         ("fs", 0), ("gs", 0)):
        equal(getattr(machine.regs, name), wanted, name.upper())


def any_tss(lab: Lab, machine: Machine) -> None:
    """tss_descriptor has to take any address apart, not only that of this kernel's TSS."""
    room = machine.sym("boot_stack") + layout.STACK_GUARD_SIZE
    for _ in range(8):
        base = lab.rng.getrandbits(64)
        machine.call("tss_descriptor", room, base)
        same(segments.tss(machine.memory.u64(room), machine.memory.u64(room + 8)),
             segments.tss_for(base, busy=False), f"tss_descriptor for a TSS at {base:#x}")


@check("T1.8", title="The TSS has a stack of its own for each IST entry, and no I/O permission map",
       points=7, exercise="1.4", debug_at="gdt_init",
       hint="fill_tss: what must RSP start from for a stack that grows downwards, which entry of "
            "ist[] does IST n stand for, and what does io_map_base say? SDM vol. 3A 7.7 and 6.14.5")
def test_tss(lab: Lab) -> None:
    """The TSS in use: each IST entry is the top of a stack of its own, mapped and writable."""
    with lab.boot() as machine:
        come_to(machine, "idt_init")
        tss = machine.sym("cpu_tss")
        io_map = int.from_bytes(machine.memory.read(tss + 102, 2), "little")
        expect(io_map > 103, f"io_map_base is {io_map:#x}, inside the TSS: bytes of other things "
               "would be taken for I/O permissions", "an offset beyond the TSS's limit, 103")
        size = layout.STACK_SIZE
        boot = machine.sym("boot_stack") + layout.STACK_GUARD_SIZE
        stacks = {"the boot stack": (boot, boot + size)}
        for vector, number in IST.items():
            top = ist_top(machine, vector)
            stack_of_its_own(machine, f"IST {number} (IST_{OWN_STACK[vector]})", top - size, top,
                             stacks)


def stack_of_its_own(machine: Machine, name: str, low: int, high: int,
                     stacks: dict[str, tuple[int, int]]) -> None:
    """A stack from low up to high: aligned, mapped for data, and shared with none of the others."""
    expect(high % 16 == 0 and high > 0, f"{name} is {high:#x}",
           "the top of a stack, a multiple of 16")
    for other, (start, end) in stacks.items():
        expect(high <= start or end <= low,
               f"{name} is {high:#x}, so its stack is {low:#x}..{high:#x}, which overlaps "
               f"{other} at {start:#x}..{end:#x}",
               "a stack of STACK_SIZE bytes below each entry that nothing else uses")
    for va in range(low, high, PAGE):
        page = machine.memory.walk(va)
        expect(page and page.writable and not page.executable,
               f"{name} is {high:#x}, but its stack's page {va:#x} is "
               + ("not mapped" if not page else "executable" if page.executable else "read-only"),
               "a stack whose pages can be read and written, and not executed")
    stacks[name] = low, high


# ---- Exercise 1.5: the IDT --------------------------------------------------------------------

@check("T1.9", title="All 256 gates of the IDT are right bit for bit, and any gate can be set",
       points=10, exercise="1.5", debug_at="idt_init",
       hint="idt_set_gate: a gate is 16 bytes and the handler's address is in three pieces of it; "
            "SDM vol. 3A figure 6-8. `x/32bx &idt` in gdb shows the first two gates")
def test_idt(lab: Lab) -> None:
    """IDTR, all 256 gates bit by bit, and idt_set_gate with random arguments on a slot full of
    other bits."""
    with lab.boot() as machine:
        machine.run_to("trap_register")
        table, code = machine.system.idtr, layout.SELECTOR_KERNEL_CODE
        equal(table.base, machine.sym("idt"), "the base in IDTR")
        equal(table.limit, 16 * 256 - 1, "the limit in IDTR")
        stubs, lists = machine.sym("isr_stubs"), IST
        for vector in range(256):
            same(gate(machine, vector), segments.gate_for(
                code, machine.memory.u64(stubs + 8 * vector), lists.get(vector, 0), 0),
                f"the gate of vector {vector}")
        for _ in range(12):
            any_gate(lab, machine)


def gate(machine: Machine, vector: int) -> segments.Fields:
    """A gate in memory, in fields."""
    address = machine.sym("idt") + 16 * vector
    return segments.gate(machine.memory.u64(address), machine.memory.u64(address + 8))


def any_gate(lab: Lab, machine: Machine) -> None:
    """A gate as no lab needs it, in a slot that is full of something else."""
    vector, handler = lab.rng.randrange(256), lab.rng.getrandbits(64)
    ist, dpl = lab.rng.randrange(8), lab.rng.randrange(4)
    machine.memory.write(machine.sym("idt") + 16 * vector, lab.rng.randbytes(16))
    machine.call("idt_set_gate", vector, handler, ist, dpl)
    same(gate(machine, vector),
         segments.gate_for(layout.SELECTOR_KERNEL_CODE, handler, ist, dpl),
         f"idt_set_gate({vector}, {handler:#x}, ist {ist}, dpl {dpl})")


# ---- Exercise 1.6: through the stubs and back -------------------------------------------------

@check("T1.10", title="Each of the 256 stubs hands trap() a frame with the whole interrupted state",
       points=6, exercise="1.6", debug_at="trap",
       hint="STUB and isr_common: draw the stack from ss down to r15 and compare it with struct "
            "trap_frame; which vectors come with an error code? Stop at a stub (b *isr_stubs[14]) "
            "and look at x/8gx $rsp")
def test_stubs(lab: Lab) -> None:
    """Each stub entered with random registers and a random frame, up to the call of trap."""
    with lab.boot() as machine:
        machine.run_to("trap_register")
        machine.on("trap", lambda: None)  # the breakpoint stays
        machine.set_regs(**random_registers(lab.rng))
        stack = machine.regs.rsp - 0x400 & -16
        for vector in lab.rng.sample(range(256), 256):
            deliver(lab, machine, vector, stack)


def deliver(lab: Lab, machine: Machine, vector: int, stack: int) -> None:
    """Enter a stub as the processor does, and compare the frame that trap() is given."""
    regs, rng = machine.regs, lab.rng
    expected = {**values(regs, RESTORED), "vector": vector, "error": 0, "rip": rng.getrandbits(47),
                "rflags": random_flags(rng, DF, ID), "rsp": rng.getrandbits(47)}
    pushed = [expected[name] for name in ("rip", "cs", "rflags", "rsp", "ss")]
    if vector in WITH_ERROR_CODE:
        expected["error"] = rng.getrandbits(16)
        pushed.insert(0, expected["error"])
    start = stack - 8 * len(pushed)
    machine.memory.write(start, b"".join(each.to_bytes(8, "little") for each in pushed))
    machine.set_regs(rip=machine.memory.u64(machine.sym("isr_stubs") + 8 * vector), rsp=start,
                     rflags=FIXED | DF)
    machine.run_to("trap")
    what = f"vector {vector}" + (" (with an error code)" if len(pushed) > 5 else "")
    called_properly(machine, stack - frame_size(machine), what)
    compare(read_frame(machine, stack - frame_size(machine)), expected, f"the frame of {what}")


def called_properly(machine: Machine, frame: int, what: str) -> None:
    """trap() is about to run: is this a call as the psABI has it (3.2)?"""
    regs = machine.regs
    expect(regs.rdi == frame, f"{what}: trap() is given the frame {regs.rdi:#x}, "
           f"RSP is {regs.rsp:#x}", f"RDI is {frame:#x}: there the frame of 22 values begins below "
           "what the processor pushed",
           "does every stub push the same number of values, made-up error codes included?")
    expect(regs.rsp % 16 == 8, f"{what}: RSP is {regs.rsp:#x} at trap()'s first instruction",
           "RSP was a multiple of 16 before the call pushed the return address")
    expect(not regs.rflags & DF, f"{what}: the direction flag (DF) is set when trap() begins",
           "DF is clear: C relies on it, and the interrupted code may have set it")


class Trap:
    """An instruction that traps: which vector comes of it, and what the frame must say."""

    def __init__(self, name: str, code: bytes, vector: int, *, error: int | None = 0,
                 after: int = 0, flags: int = 0, rip: int | None = None, **registers: int) -> None:
        self.name, self.code, self.vector, self.error = name, code, vector, error
        self.after, self.flags, self.rip, self.registers = after, flags, rip, registers


def traps(machine: Machine, rng: Random) -> list[Trap]:
    """One of each kind that QEMU can be made to raise, in random order."""
    nowhere, hole = 0x1000_0000_0000 + rng.getrandbits(40), 1 << 62 | rng.getrandbits(47)
    selector = rng.randrange(0x40, 0x10000, 8)
    data = machine.sym("bss_start")
    number = rng.choice([each for each in range(32, 256) if each != 0x55])
    found = [
        Trap("div ecx, which is 0", b"\xf7\xf1", VECTOR_DE, rcx=0),
        Trap("a step with TF set", b"\x90", VECTOR_DB, after=1, flags=TF),
        Trap("int3", b"\xcc", VECTOR_BP, after=1),
        Trap("ud2", b"\x0f\x0b", VECTOR_UD),
        Trap("a read at a non-canonical address", b"\x48\x8b\x03", VECTOR_GP, rbx=hole),
        Trap(f"mov ds, {selector:#x}", b"\x8e\xd8", VECTOR_GP, error=selector, rax=selector),
        # QEMU 7.2 counts the IDT's entries in halves in this error code: its log says how.
        Trap("int 0x55, whose gate is not present", b"\xcd\x55", VECTOR_NP, error=None),
        Trap("a read where nothing is mapped", b"\x48\x8b\x03", VECTOR_PF, rbx=nowhere),
        Trap("a write where nothing is mapped", b"\x48\x89\x03", VECTOR_PF, error=2, rbx=nowhere),
        Trap("a jump into data", b"\xff\xe3", VECTOR_PF, error=0x11, rip=data, rbx=data),
        Trap(f"int {number}", bytes([0xCD, number]), number, after=2)]
    return rng.sample(found, len(found))


@check("T1.11", title="Real exceptions reach trap(), and what it leaves in the frame is restored",
       points=5, exercise="1.6", debug_at="trap",
       hint="isr_common after the call: is every register popped in the opposite order, is RSP at "
            "the return address when iretq comes, and is nothing used that was popped already?")
def test_exceptions(lab: Lab) -> None:
    """Eleven kinds of real exceptions; on the way back the frame is changed, and the registers must
    have what is in it then."""
    with lab.boot() as machine:
        machine.run_to("trap_register")
        machine.on("trap", lambda: None)
        machine.memory.write(machine.sym("idt") + 16 * 0x55 + 5, b"\x0e")
        for trap in traps(machine, lab.rng):
            raise_trap(lab, machine, trap)
            come_back(lab, machine, trap)


def raise_trap(lab: Lab, machine: Machine, trap: Trap) -> None:
    """Execute the instruction in a random state, and find that state in the frame."""
    place = machine.sym("trap_register")
    state = {**random_registers(lab.rng), **trap.registers, "rip": place,
             "rflags": random_flags(lab.rng, DF, ID) | trap.flags}
    machine.memory.poke_code(place, trap.code)
    machine.set_regs(**state)
    before = machine.regs
    machine.run_to("trap")
    log = machine.newest_event
    equal(log.vector, trap.vector, f"the vector that the processor delivers for {trap.name}")
    expected = {**values(before, RESTORED), "vector": trap.vector,
                "error": log.error if trap.error is None else trap.error,
                "rip": place + trap.after if trap.rip is None else trap.rip}
    own = trap.vector in IST
    frame = (ist_top(machine, trap.vector) if own else before.rsp & -16) - frame_size(machine)
    called_properly(machine, frame, trap.name)
    compare(read_frame(machine, frame), expected, f"the frame of {trap.name}")


def come_back(lab: Lab, machine: Machine, trap: Trap) -> None:
    """Change the whole frame, as a handler may, and return from trap()."""
    interrupted = read_frame(machine, machine.regs.rdi)
    come_back_changed(machine, lab.rng, f"after the return from {trap.name}",
                      rip=machine.sym("kernel_ready"),
                      rsp=machine.sym("boot_stack") + lab.rng.randrange(0x3000, 0x4000))
    machine.set_regs(rsp=interrupted["rsp"])


@check("T1.12", title="With RSP out of order, #DF, an NMI and a #DB still find a good stack",
       points=4, exercise="1.6", debug_at="trap",
       hint="a fault's frame cannot be pushed on a bad stack: then #DF comes, and it must switch "
            "stacks by its IST entry. Look at ist_for, fill_tss and the stub of vector 8; "
            "SDM vol. 3A 6.14.5")
def test_bad_stack(lab: Lab) -> None:
    """An unusable RSP, and then an exception, an NMI and a #DB: the frame must be on the right
    stack."""
    with lab.boot() as machine:
        machine.run_to("trap_register")
        bad = 0x2000_0000_0000 + lab.rng.getrandbits(40)
        machine.memory.poke_code(machine.regs.rip, b"\x50\xeb\xfe")  # push rax; jmp .
        machine.set_regs(rsp=bad)
        push = machine.regs.rip
        machine.run_to("trap")
        vectors = [event.vector for event in machine.events][-2:]
        equal(vectors, [VECTOR_PF, VECTOR_DF], "the chain of exceptions")
        on_ist(lab, machine, VECTOR_DF, {"rip": push, "rsp": bad})
        machine.set_regs(rsp=bad, rip=push + 1)
        machine.nmi()
        machine.run_to("trap")
        on_ist(lab, machine, VECTOR_NMI, {"rip": push + 1, "rsp": bad})
        machine.set_regs(rsp=bad, rip=push + 1, rflags=FIXED | TF)
        machine.run_to("trap")
        on_ist(lab, machine, VECTOR_DB, {"rip": push + 1, "rsp": bad})


def on_ist(lab: Lab, machine: Machine, vector: int, expected: State) -> None:
    """trap() runs on the stack that the vector's IST entry names, with a good frame."""
    frame = ist_top(machine, vector) - frame_size(machine)
    called_properly(machine, frame, f"vector {vector} on IST {IST[vector]}")
    compare(read_frame(machine, frame), {**expected, "vector": vector, "error": 0},
            f"the frame of vector {vector}")


# ---- Exercise 1.7: exceptions in words --------------------------------------------------------

def error_in_words(vector: int, error: int) -> str:
    """The contract of describe_error, a second time."""
    if vector == VECTOR_PF:
        who = "user" if error & 4 else "kernel"
        what = "fetch" if error & 16 else "write" if error & 2 else "read"
        why = ("reserved bit set" if error & 8 else
               "protection violation" if error & 1 else "page not present")
        return f"{who} {what}: {why}"
    if vector in SELECTOR_ERRORS and error:
        table = "IDT" if error & 2 else "LDT" if error & 4 else "GDT"
        return f"{table} entry {error >> 3}" + (", external event" if error & 1 else "")
    return ""


@check("T1.13", title="Error codes are put into words, and a panic report agrees with the machine",
       points=5, exercise="1.7", debug_at="describe_error",
       hint="describe_error: its comment says which word wins when two fit. SDM vol. 3A 4.7 (#PF) "
            "and 6.13 (codes with a selector)")
def test_words(lab: Lab) -> None:
    """describe_error with every combination of a page fault's bits and many codes of the others;
    then the report of a real page fault, beside the machine's registers."""
    with lab.boot(probe=True) as machine:
        machine.run_to("trap_register")
        describe_many(lab, machine)
        report_of_page_fault(lab, machine)


def describe_many(lab: Lab, machine: Machine) -> None:
    """Every combination of a page fault's bits, and many codes of other exceptions."""
    rng, data, size = lab.rng, machine.sym("probe_data"), 128
    cases = [(VECTOR_PF, code) for code in range(32)]
    cases += [(VECTOR_PF, rng.getrandbits(5) | 1 << rng.choice((5, 6, 15))) for _ in range(8)]
    cases += [(vector, code) for vector in SELECTOR_ERRORS
              for code in (0, 1, 2, 4, 7, *(rng.getrandbits(16) for _ in range(12)))]
    cases += [(rng.choice((0, 3, 6, 8, 17, 21, 32, 255)), rng.getrandbits(16)) for _ in range(8)]
    machine.memory.write(data, b"\xa5" * size * len(cases))
    machine.call.batch([Call("describe_error", data + size * i, 100, vector, code)
                        for i, (vector, code) in enumerate(cases)])
    for i, (vector, code) in enumerate(cases):
        equal(machine.memory.string(data + size * i, 100), error_in_words(vector, code),
              f"the text of describe_error for vector {vector}, error code {code:#x}")


def report_of_page_fault(lab: Lab, machine: Machine) -> None:
    """A real fault in a random state: are the numbers on the console those of the machine?"""
    nowhere, place = 0x1000_0000_0000 + lab.rng.getrandbits(40), machine.regs.rip + 4
    state = {**random_registers(lab.rng), "rbx": nowhere, "rbp": machine.regs.rbp}
    machine.memory.poke_code(machine.regs.rip, b"\x55\x48\x89\xe5\x48\x89\x03")
    machine.set_regs(**state)  # push rbp; mov rbp, rsp; mov [rbx], rax
    machine.run_to_exit(layout.EXIT_PANIC)
    machine.console.expect_in_order([
        f"PANIC: #PF page fault (vector 14) at {place:016x}, error code 0x2: "
        "kernel write: page not present",
        f"  the address was {nowhere:016x}",
        re.compile(rf".*rip {place:016x} .*"),
        re.compile(r".*" + r" .*".join(f"{name} +{state[name]:016x}" for name in ("rax", "rbx"))
                   + r" .*"),
        re.compile(rf" *r12 {state['r12']:016x} .*r15 {state['r15']:016x}"),
        re.compile(rf".*cr2 {nowhere:016x} .*"),
        re.compile(rf".*\[<{place:016x}>\] trap_register\+0x4"),
        re.compile(r".*\[<[0-9a-f]{16}>\] kmain\+0x[0-9a-f]+")])


# ---- Exercise 1.8: what the boot loader knows -------------------------------------------------

@check("T1.14", title="Memory map, modules and command line are found in any boot information",
       points=10, exercise="1.8", debug_at="multiboot2_find",
       hint="multiboot2_find, multiboot2_region and bootinfo_module: how far is it to the next "
            "tag, how far to the next entry of the memory map, and when is the end reached? "
            "Multiboot2 specification 3.6")
def test_boot_information(lab: Lab) -> None:
    """Boot information made by the grader: unknown tags, odd lengths, large entries, hundreds of
    regions."""
    nonce = f"nonce={lab.rng.getrandbits(64):x}"
    with lab.boot(probe=True, cmdline=nonce) as machine:
        machine.run_to("bootinfo_init")
        equal(machine.call("bootinfo_module", 0, machine.sym("probe_data")) & 0xFF, 0,
              "bootinfo_module's answer before there is any boot information")
        machine.run_to("kernel_ready")
        equal(machine.memory.string(machine.call("bootinfo_command_line")), nonce,
              "the command line that the loader gave")
        for entry_size in ENTRY_SIZES:
            for entries, modules in ((lab.rng.randrange(1, 9), 0),
                                     (lab.rng.randrange(200, 300), lab.rng.randrange(2, 6))):
                ask(lab, machine, random_information(lab.rng, entry_size, entries, modules))


def ask(lab: Lab, machine: Machine, info: Information) -> None:
    """Give the kernel the information in probe_data, and ask it about all that is in there."""
    where, answers = machine.sym("probe_data"), machine.sym("probe_data") + 0x8000
    machine.memory.write(where, info.data)
    physical_address = where - layout.KERNEL_BASE
    regions, modules = len(info.regions) + 2, len(info.modules) + 2
    calls = [Call("bootinfo_init", physical_address), Call("bootinfo_command_line")]
    calls += [Call("bootinfo_region", i, answers + 24 * i) for i in range(regions)]
    calls += [Call("bootinfo_module", i, answers + 24 * (regions + i)) for i in range(modules)]
    kinds = sorted({kind for kind, _ in info.tags} | {7})
    calls += [Call("multiboot2_find", where, kind, i) for kind in kinds for i in (0, 1, 2)]
    results = machine.call.batch(calls)
    equal(results[0] & 0xFFFFFFFF, 0, "bootinfo_init's answer to boot information that is right")
    check_tags(info, kinds, results[2 + regions + modules:], where)
    check_regions(machine, info, results[2:2 + regions], answers)
    check_modules(machine, info, results[2 + regions:2 + regions + modules],
                  answers + 24 * regions)
    equal(machine.memory.string(results[1]), info.command_line, "bootinfo_command_line()")


def check_tags(info: Information, kinds: list[int], results: list[int], where: int) -> None:
    """multiboot2_find for each type: its first tags, and NULL behind the last of them."""
    for k, kind in enumerate(kinds):
        places = [where + offset for found, offset in info.tags if found == kind and kind != 0]
        for i in range(3):
            wanted = places[i] if i < len(places) else 0
            found = results[3 * k + i]
            expect(found == wanted, f"multiboot2_find(info, {kind}, {i}) returns "
                   f"{offset_words(found, where)}", f"it returns {offset_words(wanted, where)}",
                   "" if kind else "the end tag is not one of the tags that can be found")


def offset_words(address: int, where: int) -> str:
    return f"the address {address - where:+#x} from info" if address else "NULL"


def check_regions(machine: Machine, info: Information, results: list[int], answers: int) -> None:
    """All entries of the memory map, in their order, and none behind the last."""
    for i, result in enumerate(results):
        exists = i < len(info.regions)
        expect(result & 0xFF == exists, f"bootinfo_region({i}) returns {bool(result & 0xFF)}",
               f"{exists}: the map has {len(info.regions)} whole entries of {info.entry_size} "
               "bytes")
        if exists:
            at = answers + 24 * i
            seen = machine.memory.u64(at), machine.memory.u64(at + 8), machine.memory.u32(at + 16)
            for name, found, wanted in zip(("base", "length", "type"), seen, info.regions[i]):
                equal(found, wanted, f"the {name} of entry {i} of a memory map with entries of "
                      f"{info.entry_size} bytes")


def check_modules(machine: Machine, info: Information, results: list[int], answers: int) -> None:
    """All modules, in the loader's order, and none behind the last."""
    for i, result in enumerate(results):
        exists = i < len(info.modules)
        expect(result & 0xFF == exists, f"bootinfo_module({i}) returns {bool(result & 0xFF)}",
               f"{exists}: there are {len(info.modules)} modules")
        if exists:
            at = answers + 24 * i
            start, end, line = (machine.memory.u64(at + 8 * n) for n in range(3))
            seen = (start, end, machine.memory.string(line))
            for name, found, wanted in zip(("start", "end", "command line"), seen,
                                           info.modules[i]):
                equal(found, wanted, f"the {name} of module {i}")


@check("T1.15", title="Started by GRUB from a disc, the kernel tells what GRUB said, and ends well",
       points=5, exercise="1.8", debug_at="bootinfo_init",
       hint="the whole way: what does the console show, and where does it differ from what "
            "bootinfo_print should print? make run LAB=1")
def test_whole_way(lab: Lab) -> None:
    """A disc, GRUB, a random command line and a module: what is printed, beside the memory map that
    GRUB handed over."""
    nonce, name = (f"{word}-{lab.rng.getrandbits(64):x}" for word in ("nonce", "module"))
    size = lab.rng.randrange(1, 5 * PAGE)
    with tempfile.TemporaryDirectory(prefix="rung-disc-") as directory:
        iso = make_disc(Path(directory), lab.kernel, f"{nonce} a=1",
                        [Module(lab.rng.randbytes(size), name)])
        with lab.boot(firmware="grub", iso=iso) as machine:
            total = machine.memory.u32(machine.information)
            areas = memory_map(machine.memory.read(machine.information, total))
            machine.run_to_exit(layout.EXIT_OK)
            machine.console.expect_in_order([
                re.compile(r"Rung lab 1: .*"), re.compile(r"#BP breakpoint \(vector 3\) at .*"),
                f"command line: {nonce} a=1", *(memory_line(area) for area in areas)])
            module = re.compile(rf"module: ([0-9a-f]{{16}}) - ([0-9a-f]{{16}})  {name}")
            found = module.fullmatch(machine.console.expect_in_order([module])[0])
            assert found
            equal(int(found[2], 16) - int(found[1], 16), size, "the length of the module")
            equal(machine.console.lines[-1], "Rung lab 1: done", "the last line on the console")


def memory_line(area: MemoryArea) -> re.Pattern[str]:
    return re.compile(rf"memory: {area.base:016x} \+ +{area.length:x}  [a-zA-Z ]+")
