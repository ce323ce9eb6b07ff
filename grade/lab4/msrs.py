"""Exercise 4.2: what the processor was told about SYSCALL, and whether it obeys."""

from __future__ import annotations

from random import Random

from grade.lab4.puppet import Guest
from grade.machine import Machine
from grade.machine.layout import EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, USER_CS, USER_SS
from grade.machine.state import (AC, DF, FIXED, ID, IF, IOPL, KERNEL_CS, KERNEL_SS, NAMED_FLAGS, NT,
                                 TF, flags_clear, random_flags, user_base)
from grade.outcome import equal, expect

MASKED = (TF, IF, DF, IOPL, NT, AC, ID)
VISIBLE = (TF, IF, IOPL, NT, AC, ID)  # QEMU always shows DF as 0 behind SYSCALL
SYSRET = b"\x48\x0f\x07"
GDT_USER_DATA, GDT_USER_CODE = 5, 6


def check_writes(machine: Machine) -> None:
    """init_syscall ran: each of the five, as it was written."""
    written = {each.name: each.value for each in machine.msr_writes}
    for name in ("STAR", "LSTAR", "SFMASK", "EFER", "KERNEL_GS_BASE"):
        expect(name in written, f"no wrmsr of {name} between init_syscall and user_memory_init",
               "init_syscall writes STAR, LSTAR, SFMASK, EFER and KERNEL_GS_BASE")
    star = written["STAR"]
    equal(star >> 32 & 0xFFFF, KERNEL_CS, "the selector for SYSCALL, bits 32 to 47 of STAR,")
    equal(star >> 48, USER_SS - 8, "the selector for SYSRET, bits 48 to 63 of STAR,",
          "SYSRET loads SS with this plus 8, and CS with this plus 16; on AMD with no ring added")
    equal(written["LSTAR"], machine.sym("syscall_entry"), "LSTAR, which should be syscall_entry,")
    missing = [name for flag, name in NAMED_FLAGS.items() if flag & ~written["SFMASK"]]
    expect(not missing, f"SFMASK is {written['SFMASK']:#x}: SYSCALL leaves {', '.join(missing)} "
           "as the program set it", f"{', '.join(missing)} in SFMASK as well")
    efer = written["EFER"]
    expect(efer & EFER_SCE, f"EFER is written with {efer:#x}: bit 0, SCE, is 0",
           "SCE is 1: without it SYSCALL is an invalid opcode")
    equal(efer & (EFER_LME | EFER_NXE), EFER_LME | EFER_NXE,
          "LME and NXE in what is written to EFER")
    equal(written["KERNEL_GS_BASE"], machine.sym("percpu"), "what is written to KERNEL_GS_BASE")


def check_now(machine: Machine) -> None:
    """At user_memory_init: the kernel has its GS, and nothing could come in between."""
    regs = machine.regs
    equal(regs.gs_base, machine.sym("percpu"), "GS_BASE after init_syscall",
          "percpu's address waits in KERNEL_GS_BASE for a swapgs, and the kernel runs now")
    equal(regs.efer & (EFER_SCE | EFER_LMA), EFER_SCE | EFER_LMA, "SCE and LMA in EFER")
    flags_clear(regs, (IF,), "after init_syscall")
    equal(machine.call("per_cpu_data_ptr"), machine.sym("percpu"), "per_cpu_data_ptr()")


def exchange_gdt_entries(machine: Machine) -> None:
    """User code before user data: not the order that SYSRET needs."""
    at = machine.sym("gdt")
    data, code = (machine.memory.u64(at + 8 * slot) for slot in (GDT_USER_DATA, GDT_USER_CODE))
    machine.memory.set_u64(at + 8 * GDT_USER_DATA, code)
    machine.memory.set_u64(at + 8 * GDT_USER_CODE, data)


def call(guest: Guest, rng: Random) -> None:
    """Execute one SYSCALL in ring 3, with flags as bad as they can be, and see where it leads."""
    m, users = guest.m, user_base(rng)
    guest.plant(rip=guest.program.syscall, rsp=rng.getrandbits(64), cs=USER_CS, ss=USER_SS,
                rflags=random_flags(rng, *MASKED), gs_base=users, k_gs_base=m.sym("percpu"))
    before, where = m.regs, "SYSCALL in ring 3"
    regs = m.step()
    expect(regs.rip == m.sym("syscall_entry"), f"{where} leads to {m.where(regs.rip)}",
           "syscall_entry, as LSTAR says",
           "at the stub of #UD (isr_6): is EFER.SCE set? Of #DB (isr_1), or of #DF (isr_8), since "
           "the stack is still the program's: is TF in SFMASK?")
    equal((regs.cs, regs.ss), (KERNEL_CS, KERNEL_SS), f"{where}: CS and SS afterwards")
    equal(regs.rcx, before.rip + 2, f"{where}: RCX")
    equal(regs.r11, before.rflags, f"{where}: R11, which keeps RFLAGS,")
    flags_clear(regs, VISIBLE, f"{where} with RFLAGS {before.rflags:#x}", "SFMASK has a bit for it")


def sysret(guest: Guest, rng: Random) -> None:
    """Execute one SYSRET at syscall_entry, with the selectors of STAR."""
    m, target = guest.m, guest.program.spare + rng.randrange(0x100)
    flags = random_flags(rng, DF, ID)
    m.memory.poke_code(m.sym("syscall_entry"), SYSRET)
    m.set_regs(rip=m.sym("syscall_entry"), rcx=target, r11=flags)
    regs = m.step()
    equal(regs.rip, target, "SYSRET: RIP afterwards")
    equal((regs.cs, regs.ss), (USER_CS, USER_SS), "SYSRET: CS and SS afterwards")
    equal(regs.rflags | FIXED, flags, "SYSRET: RFLAGS afterwards, from R11,")
