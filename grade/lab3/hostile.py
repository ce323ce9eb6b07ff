"""Exercise 3.8: programs that do what they must not: one instruction each, and its signal."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from grade.lab3.kernel import Programs
from grade.lab3.rounds import Report, Rounds
from grade.machine import layout
from grade.machine.intlog import Interrupt
from grade.machine.layout import (PAGE, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, VECTOR_BP as BP,
                                  VECTOR_DB as DB, VECTOR_DE as DE, VECTOR_GP as GP,
                                  VECTOR_MF as MF, VECTOR_PF as PF, VECTOR_UD as UD, WINDOW_BASE)
from grade.outcome import equal, expect
from grade.programs.image import R, W, X, Code, Image, Segment, assemble
from grade.programs.processors import also_raised

TIMER, SYSCALL = layout.VECTOR_TIMER, layout.VECTOR_SYSCALL
NAMES = {DE: "#DE divide error", DB: "#DB debug exception", BP: "#BP breakpoint",
         UD: "#UD invalid opcode", GP: "#GP general protection", PF: "#PF page fault",
         MF: "#MF x87 floating-point error"}
STACK_TOP = layout.USER_STACK_TOP


class Hostile(NamedTuple):
    """A program in nasm's words, and what the manual says that a processor raises for it. address:
    of the page fault, by any name that the code knows. Where a QEMU raises something else,
    grade/programs/processors.py says so."""

    words: str
    text: str
    vector: int = GP
    signal: int = SIGSEGV
    address: str = ""


# Whatever only the kernel may do is #GP in ring 3, before it has any effect.
PRIVILEGED = [Hostile(text, text) for text in (
    "hlt", "cli", "sti", "in al, 0x21", "out 0xf4, al", "insb", "outsd", "lgdt [rsp]", "lidt [rsp]",
    "lldt ax", "ltr ax", "lmsw ax", "clts", "mov rax, cr0", "mov cr0, rax", "mov rax, cr3",
    "mov cr3, rax", "mov cr4, rax", "mov rax, dr7", "mov dr0, rax", "rdmsr", "wrmsr",
    "invlpg [rsp]", "invd", "wbinvd", "swapgs", "sgdt [rsp - 16]", "sidt [rsp - 16]",
    "sldt ax", "str ax", "smsw ax")]

# Interrupts that are not for programs, selectors that are not theirs, instructions that nobody has.
FORGED = [
    *(Hostile(f"int {n:#x}", f"int {n:#x}") for n in (0, 2, 8, 13, 14, TIMER, 0x21, 0x81, 0xFF)),
    Hostile("int3", "int3", BP, SIGTRAP),
    Hostile("int 3, in two bytes", "db 0xcd, 3", BP, SIGTRAP),
    Hostile("ud2", "ud2", UD, SIGILL),
    Hostile("syscall, which lab 3 does not switch on", "syscall", UD, SIGILL),
    Hostile("sysret, likewise", "o64 sysret", UD, SIGILL),
    Hostile("xgetbv without OSXSAVE", "xor ecx, ecx\nxgetbv", UD, SIGILL),
    Hostile("vmcall", "vmcall", UD, SIGILL),
    Hostile("lock nop", "db 0xf0, 0x90", UD, SIGILL),
    Hostile("the kernel's data in DS", "mov eax, 0x10\nmov ds, eax"),
    Hostile("the kernel's data in SS", "mov eax, 0x10\nmov ss, eax"),
    Hostile("the null selector in SS", "xor eax, eax\nmov ss, eax"),
    Hostile("a selector beyond the GDT", "mov eax, 0x5b\nmov gs, eax"),
    Hostile("a selector of the LDT, which is none", "mov eax, 0x1f\nmov fs, eax"),
    Hostile("a return to ring 0",
            "push 8\nlea rax, [back]\npush rax\ndb 0x48\nretf\nback: hlt"),
    Hostile("iretq to ring 0",
            "push 0x10\npush rsp\npush 0x202\npush 8\nlea rax, [inside]\npush rax\niretq\n"
            "inside: hlt"),
    Hostile("iretq with a stack that is not there", "mov rsp, 0x123456000\niretq", PF,
            address="0x123456000"),
    Hostile("I/O after an attempt at IOPL 3",
            "pushfq\nor qword [rsp], 0x3000\npopfq\nin al, 0x21"),
    Hostile("division by zero", "xor ecx, ecx\ndiv ecx", DE, SIGFPE),
    Hostile("a quotient that is too large",
            "mov rax, 1 << 63\ncqo\nmov rcx, -1\nidiv rcx", DE, SIGFPE),
    Hostile("x87: division by zero, not masked",
            "push 0x37b\nfldcw [rsp]\nfld1\nfldz\nfdivp\nfwait", MF, SIGFPE),
    Hostile("the trap flag", "pushfq\nor qword [rsp], 0x100\npopfq\nnop\nnop", DB, SIGTRAP),
    Hostile("every flag that can be set, and then a system call that is none",
            "pushfq\nor qword [rsp], 0x244cd5\npopfq\nmov eax, 500\nint 0x80\nud2", UD, SIGILL),
]

# Memory that is not the program's, or not for that.
MEMORY = [
    Hostile("a read of page 0", "xor eax, eax\nmov al, [rax]", PF, address="0"),
    Hostile("a jump to 0", "xor eax, eax\njmp rax", PF, address="0"),
    Hostile("a read behind its data", "mov rax, data_end\nmov al, [rax]", PF, address="data_end"),
    Hostile("a write to its code", "mov byte [start], 1", PF, address="start"),
    Hostile("a write to its constants", "mov rax, constants\nmov [rax], al", PF,
            address="constants"),
    Hostile("a jump into its data", "mov rax, data\njmp rax", PF, address="data"),
    Hostile("a jump into its constants", "mov rax, constants\njmp rax", PF, address="constants"),
    Hostile("a jump to its stack", "push 0x90\njmp rsp", PF, address="stack"),
    Hostile("a read of the kernel's code", "mov rax, kernel_code\nmov al, [rax]", PF,
            address="kernel_code"),
    Hostile("a jump into the kernel", "mov rax, kernel_code\njmp rax", PF, address="kernel_code"),
    Hostile("a call into the kernel", "mov rax, kernel_code\ncall rax", PF, address="kernel_code"),
    Hostile("a read of the kernel's constants", "mov rax, kernel_constants\nmov al, [rax]", PF,
            address="kernel_constants"),
    Hostile("a write to the kernel's data", "mov rax, kernel_data\nmov [rax], al", PF,
            address="kernel_data"),
    Hostile("a read of the IDT", "mov rax, kernel_idt\nmov rax, [rax]", PF, address="kernel_idt"),
    Hostile("a read of physical memory", "mov rax, window\nmov al, [rax]", PF, address="window"),
    Hostile("a write to its own page tables", "mov rax, window\nmov [rax], rax", PF,
            address="window"),
    Hostile("a read of its kernel stack", "mov rax, kernel_stack\nmov al, [rax]", PF,
            address="kernel_stack"),
    Hostile("a write to its kernel stack", "mov rax, kernel_stack\nmov [rax], rax", PF,
            address="kernel_stack"),
    Hostile("a stack in the kernel", "mov rsp, kernel_stack + 512\npush rax", PF,
            address="kernel_stack + 504"),
    Hostile("a stack at 0", "xor esp, esp\nmov esp, 8\npush rax", PF, address="0"),
    Hostile("the last page of its half", "mov rax, 0x7ffffffff000\nmov al, [rax]", PF,
            address="0x7ffffffff000"),
    Hostile("the page above its stack", f"mov rax, {STACK_TOP:#x}\nmov al, [rax]", PF,
            address=f"{STACK_TOP:#x}"),
    Hostile("an address that is not canonical", "mov rax, 1 << 47\nmov al, [rax]"),
    Hostile("a jump to an address that is not canonical", "mov rax, 1 << 63\njmp rax"),
    Hostile("a stack at an address that is not canonical", "mov rsp, 1 << 47\nmov eax, 1\nud2", UD,
            SIGILL),
    Hostile("off the end of its code", "times 3 nop\nmov rax, code_end - 1\njmp rax", PF,
            address="code_end"),
]


class Zoo:
    """All of them in one code segment. What differs is where the file says that it starts."""

    def __init__(self, kernel: Programs, rng: Random, programs: list[Hostile]) -> None:
        self.rounds, self.rng, self.programs = Rounds(kernel), rng, programs
        base = rng.randrange(16, 1 << 30) * PAGE
        constants, data = base + 0x10000, base + 0x20000
        labels = [f"hostile_{i}" for i in range(len(programs))]
        m = kernel.m
        self.names = {
            "base": base, "constants": constants, "data": data, "data_end": data + PAGE,
            "kernel_code": m.sym("text_start") + rng.randrange(PAGE),
            "kernel_constants": m.sym("rodata_start"), "kernel_data": m.sym("cpu_tss"),
            "kernel_idt": m.system.idtr.base,
            "window": WINDOW_BASE + rng.randrange(1 << 20, 1 << 24, 8),
            "kernel_stack": layout.KERNEL_STACKS_BASE + PAGE + 8 * rng.randrange(400)}
        text = "\n".join(f"{name} equ {value:#x}" for name, value in self.names.items())
        text += "\ncode_end equ base + code_size\n"
        for label, each in zip(labels, programs):
            text += f"{label}:\n{each.text.replace('[start]', f'[{label}]')}\nud2\n"
        self.code = self._assembled(text, base, labels)
        self.segments = [Segment(base, self.code.bytes, R | X),
                         Segment(constants, bytes(64), R), Segment(data, bytes(64), R | W)]

    def _assembled(self, text: str, base: int, labels: list[str]) -> Code:
        """Exactly some pages of code, the last byte of which is a NOP."""
        size = (len(assemble(f"code_size equ 0x8000\n{text}", base).bytes) + PAGE) & -PAGE
        self.names["code_end"] = base + size
        code = assemble(f"code_size equ {size:#x}\n{text}", base, labels)
        return code._replace(bytes=code.bytes.ljust(size, b"\x90"))

    def run(self) -> None:
        """Each of them, in random order, and between them one that does no harm."""
        order = self.rng.sample(range(len(self.programs)), len(self.programs))
        for i in order:
            self.attack(i)
        self.rounds.end()

    def attack(self, i: int) -> None:
        """One program: how it ends, what is said of it, and what the processor saw."""
        hostile, start = self.programs[i], self.code.labels[f"hostile_{i}"]
        name = "".join(self.rng.choices("abcdefghijklmnop", k=9))
        what = f"a program that does this: {hostile.words}"
        report = self.rounds.run(Image(start, self.segments).bytes(), name, what)
        fault = self.last_fault(report, what)
        signals = dict(((hostile.vector, hostile.signal), *also_raised(hostile.words)))
        if fault.vector not in signals:
            equal(fault.vector, hostile.vector, f"{what}: the vector")
        equal(fault.cpl, 3, f"{what}: the ring from which the exception came")
        signal = signals[fault.vector]
        expect((report.how, report.number) == ("ended by signal", signal),
               f"{what}: {report.how} {report.number}", f"ended by signal {signal}, as on Linux")
        self.check_words(hostile, report, fault, start, what)

    @staticmethod
    def last_fault(report: Report, what: str) -> Interrupt:
        """The exception that ended it."""
        faults = [each for each in report.events if each.vector not in (TIMER, SYSCALL)]
        expect(faults, f"{what}: no exception came", "one, from ring 3")
        return faults[-1]

    def check_words(self, hostile: Hostile, report: Report, fault: Interrupt, start: int,
                    what: str) -> None:
        """The message names the exception, the place, and the address of a page fault."""
        text = "\n".join(report.lines)
        rip = fault.ip + (1 if fault.vector == BP and not fault.software else 0)
        expect(f"{NAMES[fault.vector]} (vector {fault.vector}) at" in text,
               f"{what}: the kernel says {report.lines[-4:]}",
               f"a line that names {NAMES[fault.vector]}")
        expect(fault.vector == BP or f"at {rip:016x}" in text,
               f"{what}: the kernel says {report.lines[-4:]}", f"the place, {rip:016x}, is named")
        if hostile.address and hostile.address != "stack":
            address = self.value(hostile.address, start)
            equal(fault.cr2, address, f"{what}: CR2")
            expect(f"{address:016x}" in text, f"{what}: the kernel says {report.lines[-4:]}",
                   f"the address, {address:016x}, is named")

    def value(self, words: str, start: int) -> int:
        """The number behind `kernel_stack + 504`."""
        name, _, more = words.partition(" + ")
        known = {**self.names, "start": start}
        return (known[name] if name in known else int(name, 0)) + int(more or "0")
