"""Exercise 5.6: children in ring 3: their first instruction, their memory, their turns, and the end
of all."""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from grade.lab5 import user_state
from grade.lab5.processes import OFF, Family, Process, after_fork, all_processes, running
from grade.lab5.fork import FLAGS, check_own_stack
from grade.machine import Machine, Module, Registers, layout
from grade.machine.frames import count_free
from grade.machine.layout import (PAGE, SYS_exit, SYS_fork, SYS_sched_yield, SYS_wait4, USER_CS,
                                  USER_SS)
from grade.machine.state import (FORK_REGISTERS, compare, random_flags, random_registers, user_base,
                                 values, variable, write_frame)
from grade.outcome import equal, expect
from grade.programs.image import R, W, Image, Segment, assemble


def check_entered(family: Family) -> None:
    """enter_forked_child takes every register from its struct. We stand in the kernel."""
    m, rng = family.m, family.rng
    wanted = {**random_registers(rng), "rip": family.program.entry, "rsp": rng.getrandbits(64),
              "rflags": random_flags(rng, *FLAGS)}
    users = user_base(rng)
    at = family.scratch
    write_frame(m, at, wanted, FORK_REGISTERS)
    m.set_regs(rip=m.sym("enter_forked_child"), rdi=at, k_gs_base=users, rsp=at - 8)
    family.come_back(family.program.entry, "enter_forked_child")
    where = "in ring 3, after enter_forked_child"
    regs = m.regs
    compare(values(regs, wanted), wanted, where,
            "each register from its own offset; the one that points to them comes last")
    equal((regs.cs, regs.ss), (USER_CS, USER_SS), f"{where}: CS and SS")
    equal(regs.gs_base, users, f"{where}: GS_BASE, the program's")
    equal(regs.k_gs_base, m.sym("percpu"), f"{where}: KERNEL_GS_BASE, the kernel's", "SWAPGS, once")


class Twins:
    """A fork by the program itself, seen from both who return from it."""

    def __init__(self, family: Family, by: str) -> None:
        self.f, self.m, self.by = family, family.m, by
        self.state = user_state.random_state(family.rng)
        user_state.take_on(family, self.state)
        at = getattr(family.program, by)
        family.plant(rip=at, rax=SYS_fork, rsp=family.rng.getrandbits(64),
                     rflags=random_flags(family.rng, *(flag for flag in FLAGS if flag != 1 << 9)))
        self.before: Registers = self.m.regs
        self.back = at + 2
        self.pid = family.come_back(self.back, f"fork by {by}")

    def check_parent(self) -> None:
        expected = {**after_fork(self.before, self.by), "rax": self.pid}
        compare(values(self.m.regs, expected), expected, f"the parent after fork by {self.by}")
        equal(self.m.regs.cr3, self.f.parent.root, "the parent's CR3 after fork")

    def to_child(self) -> Process:
        """The parent yields; the child comes to its first instruction."""
        f, m = self.f, self.m
        f.plant(rip=f.program.syscall, rax=SYS_sched_yield, rflags=OFF)
        while True:
            stop = m.run_to(self.back, f.program.syscall + 2, "process_kill")
            child = running(m)
            expect(stop == self.back and child.pid == self.pid,
                   f"after fork and a sched_yield of the parent, {child} is in {m.where(stop)}",
                   f"process {self.pid}, the child, is in ring 3 behind its fork, {self.back:#x}")
            return child

    def check_child(self, child: Process) -> None:
        """Every register, and what belongs to a process in the processor."""
        m, regs, where = self.m, self.m.regs, f"the child, in ring 3 after fork by {self.by}"
        expected = after_fork(self.before, self.by)
        compare(values(regs, expected), expected, where)
        equal((regs.cs, regs.ss, regs.cr3), (USER_CS, USER_SS, child.root), f"{where}: CS SS CR3")
        equal(variable(m, "cpu_tss", layout.TSS_RSP0), child.get("kernel_rsp"),
              f"{where}: TSS.rsp0", "the child's own kernel stack")
        equal(variable(m, "percpu", layout.PERCPU_KERNEL_RSP), child.get("kernel_rsp"),
              f"{where}: percpu.kernel_rsp", "the child's own kernel stack")
        equal(regs.k_gs_base, m.sym("percpu"), f"{where}: KERNEL_GS_BASE")
        check_own_stack(self.f, child)
        self.state.check(user_state.seen_in_ring_3(self.f), where)

    def end_child(self) -> None:
        """exit and wait4; the parent goes on."""
        f, status = self.f, self.f.rng.randrange(1, 256)
        f.plant(rip=f.program.int80, rax=SYS_exit, rdi=status)
        f.come_back(f.program.syscall + 2, "the parent's sched_yield, when the child has ended,")
        equal(running(self.m).pid, f.parent.pid, "who runs when the child has ended")
        self.state.check(user_state.seen_in_ring_3(f), "the parent, when the child has ended")
        at = f.program.data + 0x40
        equal(f.ask(SYS_wait4, self.pid, at, 0, rflags=OFF), self.pid, "wait4 for the child")
        equal(self.m.memory.u32(at), status << 8, "the status of the child")


# ---- Programs that run by themselves ---------------------------------------------------------

# Each process puts its own numbers into every register, counts in memory, and looks whether
# anything that is its own has changed, until the grader has seen enough.
SPINNERS = """
%macro pattern 1-*
  %rep %0
        mov     %1, rbp
    %rotate 1
  %endrep
%endmacro
%macro same 1-*
  %rep %0
        cmp     %1, rbp
        jne     wrong
    %rotate 1
  %endrep
%endmacro
start:  mov     ebp, {children}
        mov     [own], rbp
more:   mov     eax, SYS_fork
        syscall
        test    rax, rax
        jz      spin
        dec     ebp
        jnz     more
        call    work
        mov     ebx, {children}
reap:   mov     eax, SYS_wait4
        mov     rdi, -1
        lea     rsi, [status]
        xor     edx, edx
        syscall
        cmp     dword [status], {nonce} << 8
        jne     wrong
        dec     ebx
        jnz     reap
        jmp     right
spin:   call    work
right:  mov     edi, {nonce}
exit:   mov     eax, SYS_exit
        syscall
wrong:  mov     edi, 1
        jmp     exit
work:   mov     eax, SYS_getpid
        syscall
        imul    rbp, rax, {factor}
        mov     [own], rbp
        movq    xmm7, rbp
        pattern rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
again:  same    rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
        cmp     [own], rbp
        jne     wrong
        movq    [own + 64], xmm7
        cmp     [own + 64], rbp
        jne     wrong
        inc     qword [count]
        cmp     qword [count], {rounds}
        jae     done
        cmp     dword [stop], 0         ; the grader's word
        je      again
done:   ret
"""

# A thousand children one after the other; eight generations; orphans; one that outlives the first.
GENERATIONS = """
%macro sys 1
        mov     eax, %1
        syscall
%endmacro
%macro is 3
        cmp     %1, %2
        mov     edi, %3
        jne     exit
%endmacro
start:  mov     r12d, {cycles}
cycle:  sys     SYS_fork
        test    rax, rax
        jnz     .parent
        mov     edi, r12d
        jmp     exit
.parent:
        mov     r13, rax
        xor     r14d, r14d
        call    await
        is      rax, r13, 1
        movzx   ecx, r12b
        shl     ecx, 8
        is      [status], ecx, 2
        dec     r12d
        jnz     cycle

        xor     r12d, r12d
deeper: sys     SYS_fork
        test    rax, rax
        jnz     .parent
        inc     r12d
        cmp     r12d, 8
        jb      deeper
        mov     edi, {nonce}
        jmp     exit
.parent:
        mov     r13, rax
        call    await
        is      rax, r13, 3
        movzx   edi, byte [status + 1]
        inc     edi
        test    r12d, r12d
        jnz     exit
        is      edi, {nonce} + 8, 4

        sys     SYS_getpid
        mov     r12, rax
        sys     SYS_fork
        test    rax, rax
        jnz     .waits
        sys     SYS_fork
        mov     edi, 7
        test    rax, rax
        jnz     exit
        mov     ebx, 1000               ; the first adopts it, sooner or later
.orphan:
        sys     SYS_getppid
        cmp     rax, r12
        mov     edi, 9
        je      exit
        sys     SYS_sched_yield
        dec     ebx
        jnz     .orphan
        mov     edi, 10
        jmp     exit
.waits: call    await
        movzx   ebx, byte [status + 1]
        call    await
        add     bl, [status + 1]
        is      ebx, 16, 5
        call    await
        is      rax, -ECHILD, 6

        sys     SYS_fork
        test    rax, rax
        mov     edi, {nonce}
        jnz     exit
        mov     ebx, 20
.after: sys     SYS_sched_yield
        dec     ebx
        jnz     .after
        mov     edi, 3
exit:   sys     SYS_exit
await:  mov     rdi, -1
        lea     rsi, [status]
        xor     edx, edx
        sys     SYS_wait4
        ret
"""


class Run(NamedTuple):
    """A program, and the status that it ends with if all is well."""

    module: Module
    status: int
    name: str
    counter: int  # where each process counts


def make(rng: Random, text: str, **numbers: int) -> Run:
    """A program of code and a page of data, both at random places."""
    base = rng.randrange(0x100, 1 << 34) * PAGE
    data = base + rng.randrange(16, 1 << 18) * PAGE
    nonce = rng.randrange(16, 200)
    places = "".join(f"%define {name} $$ + {data - base + offset}\n"
                     for name, offset in (("own", 0), ("count", 8), ("status", 16), ("stop", 24)))
    code = assemble(places + text.format(nonce=nonce, **numbers), base).bytes
    file = Image(base, [Segment(base, code), Segment(data, bytes(PAGE), R | W)]).bytes()
    name = f"p{rng.getrandbits(40):x}"
    return Run(Module(file, name), nonce, name, data + 8)


def frames_by_owner(machine: Machine) -> dict[int, list[tuple[str, int, bool]]]:
    """By frame: which process maps it, where, and whether it may write."""
    found: dict[int, list[tuple[str, int, bool]]] = {}
    kernel = variable(machine, "kernel_root")
    for process in all_processes(machine):
        if process.root not in (0, kernel):
            for each in machine.memory.mappings(process.root, 0, 255):
                found.setdefault(each.pa, []).append((str(process), each.va, each.writable))
    return found


def check_isolation(machine: Machine) -> None:
    """No frame that somebody may write belongs to two processes."""
    for frame, owners in frames_by_owner(machine).items():
        if len(owners) > 1 and any(writable for _, _, writable in owners):
            words = ", ".join(f"{who} at {va:#x}{' (writable)' if writable else ''}"
                              for who, va, writable in owners)
            expect(False, f"the frame {frame:#x} is mapped by {words}",
                   "a frame that can be written is in one process only")


class Watch:
    """Looks on while a program and its children run: at every switch."""

    def __init__(self, machine: Machine, run: Run, processes: int) -> None:
        self.m, self.run, self.processes = machine, run, processes
        self.switches = 0
        self.seen: dict[str, set[int]] = {}  # the counts of each process
        machine.on("switch_stacks", self.look)

    def look(self) -> None:
        self.switches += 1
        if self.switches > 200:
            return
        check_isolation(self.m)
        kernel = variable(self.m, "kernel_root")
        for process in all_processes(self.m):
            found = process.root != kernel and self.m.memory.walk(self.run.counter, process.root)
            if found:
                self.seen.setdefault(str(process), set()).add(self.m.phys.u64(found.pa))
                if self.enough:
                    self.m.phys.set_u64(found.pa + 16, 1)

    @property
    def enough(self) -> bool:
        return sum(len(counts) > 2 for counts in self.seen.values()) >= self.processes

    def check(self) -> None:
        """All of them were at work, and none did all of it in one go."""
        expect(self.switches >= 2 * self.processes,
               f"{self.switches} switches of processes that never give way of their own accord",
               f"the timer lets all {self.processes} take turns",
               "on_tick yields if ring 3 was interrupted")
        expect(self.enough, "the processes were not seen to take turns: how often each was found "
               f"to have worked on: {({who: len(counts) for who, counts in self.seen.items()})}",
               f"all {self.processes} work on, again and again")


def check_end(machine: Machine, run: Run, processes: int) -> None:
    """To the regular end: every frame is back, and the kernel's report says so truly."""
    machine.run_to("kernel_ready")
    before = count_free(machine)
    machine.run_to("machine_exit")
    after = count_free(machine)
    machine.run_to_exit(layout.EXIT_OK)
    machine.console.expect_in_order([
        re.compile(rf"process \d+ {run.name}: exited with status {run.status}")])
    equal(after, before, "the number of free frames at the end, compared with the beginning")
    machine.console.expect_in_order(
        [f"processes: {processes}; frames: {before} free before, {after} after",
         re.compile(r"Rung lab \d: done")])
