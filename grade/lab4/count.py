"""Exercise 4.5 in figures: how many instructions the null system call takes: getpid, from the call
of its stub to the return, in ring 3 and in the kernel, counted one by one."""

from __future__ import annotations

from grade.lab import Lab
from grade.machine import Machine
from grade.machine.elf import Elf
from grade.machine.layout import SYS_getpid
from grade.machine.symbols import load_symbols

MOST = 2000


def null_calls(lab: Lab) -> dict[str, int]:
    """Instructions by SYSCALL and by int 0x80, each with the stub of common/user/start.asm."""
    with lab.boot() as machine:
        by_int80 = null_call(machine, lab, "hello-int80.elf")  # the baseline
        machine.run_to("programs_run")
        first = "hello.elf" if lab.number == 4 else "cow.elf"
        return {"SYSCALL": null_call(machine, lab, first), "int 0x80": by_int80}


def null_call(machine: Machine, lab: Lab, program: str) -> int:
    """Come to the program's first instruction, and call system_call(SYS_getpid) from there."""
    path = lab.kernel.parent / "user" / program
    entry = Elf(path).entry_va
    machine.run_to(entry)
    before = machine.regs
    stack = before.rsp - 8
    machine.memory.set_u64(stack, entry)
    machine.set_regs(rip=load_symbols(path)["system_call"], rsp=stack, rdi=SYS_getpid)
    count = 0
    while machine.step().rip != entry:
        count += 1
        assert count < MOST, f"the system call takes more than {MOST} instructions"
    assert machine.regs.rax < 100, "getpid() returns no process number"
    machine.set_regs(**{name: getattr(before, name) for name in ("rdi", "rsp")})
    return count + 1  # the one that came back
