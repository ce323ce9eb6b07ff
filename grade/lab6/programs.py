"""Exercises 6.4 and 6.5: processes that keep random values in every register, and watch over them;
and a shell."""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from grade.lab import Lab
from grade.lab6.kernel import boot
from grade.machine import Machine, Module, layout
from grade.machine.console import Pattern
from grade.machine.frames import count_free
from grade.machine.layout import PAGE
from grade.machine.session import Limits
from grade.outcome import equal
from grade.programs.image import R, W, X, Image, Segment, assemble
from grade.programs.seen import Seen

WORKERS, ROUNDS, SPINS = 3, 5, 4_000_000
KEPT = ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
        "r15")
CHANGED_BY_SYSCALL = ("rcx", "r11")
LIMITS = Limits(cpu=5.0)  # ten times what it takes
LINES = ("hello one two", "hello | wc", "memory", "family", "cow", "crash", "nobody", "exit")
WHY = {"pti=on": "page not present", "pti=off": "protection violation"}
CRASH = "process crash: #PF page fault .*: user read: {}"  # of the kernel's memory
BEFORE_CRASH = ("argument: two", re.compile(r"\s*1 .*"), "heap: 64 KiB that add up to 0",
                "family: 31 processes")
AFTER_CRASH = (re.compile(r"\[\d+\] ended by signal 11"), "nobody: no such program",
               re.compile(r"\[\d+\] status 127"),
               re.compile(r"process \d+ sh: exited with status 0"))

# What is seen in ring 3 (seen.py), and how often. family.c: the root of a tree of 31 processes ends
# with 0, each other one with the number of processes below it and itself.
TREE = {"family begins": 1, **{f"family asks for its end with {size}": count
                               for size, count in ((0, 1), (15, 2), (7, 4), (3, 8), (1, 16))}}
SHELL = {**TREE, "sh begins": 1, "sh asks for its end with 0": 1, "sh asks for its end with 127": 1,
         "hello begins": 2, "hello asks for its end with 0": 2,
         "cow asks for its end with 7": 1, "crash begins": 1,
         **{f"{name} {what}": 1 for name in ("memory", "cow", "wc")
            for what in ("begins", "asks for its end with 0")}}


def worker(rng: Random, number: int, call: str, counter: int) -> str:
    """Load every register; wait; look; make a system call; look; and that again and again."""
    values = {name: rng.getrandbits(64) for name in KEPT}
    vectors = [rng.getrandbits(64) for _ in range(16)]
    load = [f"mov {name}, {value:#x}" for name, value in values.items()]
    load += [f"mov rax, {value:#x}\n movq xmm{i}, rax" for i, value in enumerate(vectors)]
    look = [f"mov rax, {value:#x}\n cmp {name}, rax\n jne wrong" for name, value in values.items()]
    fpu = [f"mov rax, {value:#x}\n movq [rsp - 64], xmm{i}\n cmp [rsp - 64], rax\n jne wrong"
           for i, value in enumerate(vectors)]
    again = [line for line in look if call != "syscall" or line.split("cmp ")[1].split(",")[0]
             not in CHANGED_BY_SYSCALL]
    lines = [f"worker{number}: mov dword [abs {counter + 8:#x}], {ROUNDS}", ".round:", *load,
             f"mov dword [abs {counter:#x}], {SPINS}", f".spin: dec dword [abs {counter:#x}]",
             "jnz .spin", *look, *fpu, "mov eax, SYS_sched_yield", call, *again, *fpu,
             f"dec dword [abs {counter + 8:#x}]", "jnz .round", "xor edi, edi", "jmp end"]
    return "\n ".join(lines) + "\n"


class Workers(NamedTuple):
    """A program of some processes; its exit status is the number of those that were disturbed."""

    file: bytes
    last: int  # where each of them asks for its end


def workers(rng: Random, call: str) -> Workers:
    """Such a program, whose system calls are made by `call`."""
    base = rng.randrange(0x400, 1 << 18) * PAGE
    data = base + 0x10_0000
    lines = []
    for i in range(WORKERS):
        lines += ["mov eax, SYS_fork", call, "test eax, eax", f"jz worker{i}"]
    lines += ["xor ebx, ebx", f"reap: mov edi, -1\n mov esi, {data + 64:#x}", "xor edx, edx",
              "xor r10d, r10d", "mov eax, SYS_wait4", call, "test rax, rax", "js over",
              f"cmp dword [abs {data + 64:#x}], 0", "je reap", "inc ebx", "jmp reap",
              "over: mov edi, ebx", "end: mov eax, SYS_exit", f"last: {call}", "wrong: mov edi, 1",
              "jmp end"]
    text = "\n ".join(lines) + "\n" + "".join(worker(rng, i, call, data) for i in range(WORKERS))
    code = assemble(text, base, ["last"])
    image = Image(base, [Segment(base, code.bytes, R | X), Segment(data, bytes(PAGE), R | W)])
    return Workers(image.bytes(), code.labels["last"])


def come_to_exit(m: Machine) -> None:
    """To where the kernel leaves the machine, and all is well."""
    if m.regs.rip != m.sym("machine_exit"):
        m.run_to("machine_exit")
    if m.regs.rdi != layout.EXIT_OK:
        m.run_to_exit(layout.EXIT_OK)  # fails, and explains why


def run_to_end(m: Machine, free: int, *said: Pattern) -> None:
    """To the regular end. All frames are free again, and the kernel says so, after `said`."""
    come_to_exit(m)
    equal(count_free(m), free, "the number of free frames after all programs")
    m.run_to_exit(layout.EXIT_OK)
    m.console.expect_in_order([*said, re.compile(f".*frames: {free} free before, {free} after")])


def check_workers(lab: Lab, call: str) -> None:
    """Nobody is disturbed by the timer, by a switch, or by a system call."""
    program, name, ends = workers(lab.rng, call), f"workers{lab.rng.getrandbits(32):x}", []
    with boot(lab, probe=True, modules=[Module(program.file, name)], limits=LIMITS) as m:
        m.run_to("programs_run")
        free = count_free(m)
        m.on(program.last, lambda: ends.append((m.regs.cpl, m.regs.rdi)))
        run_to_end(m, free, f"process 2 {name}: exited with status 0")
        equal(ends, [(3, 0)] * (WORKERS + 1), "ring and status, of each worker and then of all, "
              "with which exit is called (1: a register was not as the worker had left it)")


def check_shell(lab: Lab, suffix: str, cmdline: str) -> None:
    """Programs, pipes, a fault, a name that is not there: and no frame is lost."""
    names = ("sh", "hello", "memory", "crash", "family", "cow", "wc")
    files = {name: lab.kernel.parent / "user" / f"{name}{suffix}.elf" for name in names}
    modules = [Module(file.read_bytes(), name) for name, file in files.items()]
    with boot(lab, cmdline, probe=True, modules=modules, limits=LIMITS) as m:
        m.run_to("programs_run")
        free, seen = count_free(m), Seen(m, files)
        m.type("".join(f"{line}\n" for line in LINES))
        run_to_end(m, free, *BEFORE_CRASH, re.compile(CRASH.format(WHY[cmdline])), *AFTER_CRASH)
        seen.check_tally(SHELL)
