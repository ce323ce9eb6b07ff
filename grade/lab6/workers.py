"""Exercises 6.4 and 6.5: processes that keep random values in every register, and watch over them;
and a shell."""

from __future__ import annotations

import re
from random import Random

from grade.lab import Lab
from grade.lab6.state import boot
from grade.machine import Module, layout
from grade.machine.layout import PAGE
from grade.machine.session import Limits
from grade.programs.image import R, W, X, Image, Segment, assemble

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
FRAMES = re.compile(r".*frames: (\d+) free before, \1 after")


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


def workers(rng: Random, call: str) -> bytes:
    """A program of some processes; its exit status is the number of those that were disturbed."""
    base = rng.randrange(0x400, 1 << 18) * PAGE
    data = base + 0x10_0000
    lines = []
    for i in range(WORKERS):
        lines += ["mov eax, SYS_fork", call, "test eax, eax", f"jz worker{i}"]
    lines += ["xor ebx, ebx", f"reap: mov edi, -1\n mov esi, {data + 64:#x}", "xor edx, edx",
              "xor r10d, r10d", "mov eax, SYS_wait4", call, "test rax, rax", "js over",
              f"cmp dword [abs {data + 64:#x}], 0", "je reap", "inc ebx", "jmp reap",
              "over: mov edi, ebx", "end: mov eax, SYS_exit", call, "wrong: mov edi, 1", "jmp end"]
    text = "\n ".join(lines) + "\n" + "".join(worker(rng, i, call, data) for i in range(WORKERS))
    code = assemble(text, base)
    return Image(base, [Segment(base, code.bytes, R | X),
                        Segment(data, bytes(PAGE), R | W)]).bytes()


def check_workers(lab: Lab, call: str) -> None:
    """Nobody is disturbed by the timer, by a switch, or by a system call."""
    name = f"workers{lab.rng.getrandbits(32):x}"
    with boot(lab, modules=[Module(workers(lab.rng, call), name)], limits=LIMITS) as m:
        m.run_to_exit(layout.EXIT_OK)
        m.console.expect_in_order([f"process 2 {name}: exited with status 0", FRAMES])


def check_shell(lab: Lab, suffix: str, cmdline: str) -> None:
    """Programs, pipes, a fault, a name that is not there: and no frame is lost."""
    names = ("sh", "hello", "memory", "crash", "family", "cow", "wc")
    directory = lab.kernel.parent / "user"
    modules = [Module((directory / f"{name}{suffix}.elf").read_bytes(), name) for name in names]
    with boot(lab, cmdline, modules=modules, limits=LIMITS) as m:
        m.run_to("programs_run")
        m.type("".join(f"{line}\n" for line in LINES))
        m.run_to_exit(layout.EXIT_OK)
        crash = re.compile(CRASH.format(WHY[cmdline]))
        m.console.expect_in_order([*BEFORE_CRASH, crash, *AFTER_CRASH, FRAMES])
