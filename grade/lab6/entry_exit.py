"""Exercises 6.4 and 6.5: through every door into the kernel and out again, under observation."""

from __future__ import annotations

from typing import NamedTuple

from grade.lab4.entries import Trap
from grade.lab6.puppet import KERNEL_CODE, Guest, in_kernel, in_program
from grade.lab6.kernel import PERCPU, kernel_root
from grade.machine import Machine, layout
from grade.machine.layout import ENTRY_STUB_SIZE, USER_CS, USER_SS, VECTOR_DB
from grade.machine.state import (AC, DF, FIXED, GENERAL, ID, IF, KERNEL_CS, KERNEL_SS,
                                 SYSCALL_FRAME, WITH_ERROR_CODE, State, come_back_changed, compare,
                                 frame_size, give_back, random_flags, random_registers, read_frame,
                                 user_base, values, write_frame, write_words)
from grade.outcome import equal, expect

ANY_TIME = (2, 8, 18)  # NMI, #DF, #MC: exercise 6.6; and #DB of ring 0
TIMER = layout.VECTOR_TIMER
END_OF_INTERRUPT = "o /b 0x20 0x20"  # which the handler would have sent to the controller


def stub(machine: Machine, vector: int) -> int:
    return machine.sym("entry_stubs") + ENTRY_STUB_SIZE * vector


def entry_top(vector: int) -> int:
    """Where the processor begins to push for a vector that comes in ring 3."""
    return layout.numbers()["ENTRY_DEBUG_TOP" if vector == VECTOR_DB else "ENTRY_STACK_TOP"]


class Entry(NamedTuple):
    """What was interrupted: the frame that trap() must find, and the program's GS base."""

    name: str
    frame: State
    users: int

    @property
    def ring(self) -> int:
        return self.frame["cs"] & 3


# ---- In ----------------------------------------------------------------------------------------

def deliver(guest: Guest, vector: int, ring: int) -> None:
    """Do what the processor does to deliver a vector, and look at the whole way."""
    m, rng, users = guest.m, guest.rng, user_base(guest.rng)
    off = rng.randrange(8)  # no bit of RIP tells the ring
    frame = {**random_registers(rng), "vector": vector, "error": 0,
             "rip": guest.program.spare + off,
             "cs": USER_CS, "rflags": random_flags(rng, DF, ID, AC, IF), "rsp": guest.user_rsp(),
             "ss": USER_SS}
    if not ring:
        frame.update(rip=m.sym(KERNEL_CODE) + off, cs=KERNEL_CS, ss=KERNEL_SS,
                     rsp=guest.kernel_rsp - 8 * rng.randrange(0x40, 0x80), rflags=FIXED)
    if vector in WITH_ERROR_CODE:
        frame["error"] = rng.getrandbits(16)
    pushed = [frame[name] for name in ("rip", "cs", "rflags", "rsp", "ss")]
    pushed = [frame["error"]] * (vector in WITH_ERROR_CODE) + pushed
    stack = (entry_top(vector) if ring else frame["rsp"] & -16) - 8 * len(pushed)
    (guest.in_ring3 if ring else guest.in_ring0)(users)
    m.set_regs(cs=KERNEL_CS, ss=KERNEL_SS, rsp=stack, rip=stub(m, vector),
               rflags=frame["rflags"] & ~(IF | AC), **{name: frame[name] for name in GENERAL})
    write_words(m, stack, pushed)
    entry = Entry(f"vector {vector} from ring {ring}", frame, users)
    m.run_to("trap")
    arrived(guest, entry)
    come_back(guest, entry)


def really(guest: Guest, trap: Trap, ring: int) -> None:
    """Execute the instruction, and look at the first of the kernel's, at trap(), and beyond."""
    m, rng, users = guest.m, guest.rng, user_base(guest.rng)
    place = guest.program.spare if ring else m.sym(KERNEL_CODE)
    m.set_regs(cr3=guest.root)
    m.memory.poke_code(place, trap.code)
    (guest.in_ring3 if ring else guest.in_ring0)(
        users, **{"rip": place, "rflags": random_flags(rng, DF, ID), **trap.registers})
    interrupted(guest, trap, ring, users)


def interrupted(guest: Guest, trap: Trap, ring: int, users: int) -> None:
    """The interrupt comes now."""
    m, before = guest.m, guest.m.regs
    entry = Entry(f"{trap.name} in ring {ring}",
                  {**values(before), "vector": trap.vector, "error": trap.error, "cs": before.cs,
                   "ss": before.ss, "rip": before.rip + trap.after}, users)
    m.run_to(stub(m, trap.vector))
    first = m.regs
    equal(first.cr3, guest.shadow if ring else guest.root,
          f"{entry.name}: CR3 at the kernel's first instruction")
    if ring:
        top = entry_top(trap.vector)
        expect(top - 48 <= first.rsp < top, f"{entry.name}: RSP is {first.rsp:#x} at the kernel's "
               "first instruction", f"its stack ends at {top:#x} (layout.h, ENTRY_*)")
    m.run_to("trap")
    arrived(guest, entry)
    come_back(guest, entry)


def tick(guest: Guest) -> None:
    """The timer's interrupt in ring 3: by then the loop has changed no register."""
    users = user_base(guest.rng)
    guest.in_ring3(users, rip=guest.program.entry, rflags=FIXED | IF)
    interrupted(guest, Trap("the timer's interrupt", b"", TIMER), 3, users)
    guest.m.session.qmp.monitor(END_OF_INTERRUPT)


def arrived(guest: Guest, entry: Entry) -> None:
    """trap() begins: tables, GS and flags are the kernel's, and so is the frame, which is right."""
    m, where = guest.m, f"{entry.name}, at trap()"
    regs = m.regs
    found = read_frame(m, regs.rdi)
    expect(found["vector"] == entry.frame["vector"] or found["rip"] >> 63 == 0,
           f"{entry.name}: trap() is called for vector {found['vector']}, which happened at "
           f"{m.where(found['rip'])}, CR2 being {regs.cr2:#x}", "no fault on the way in")
    in_kernel(m, guest, entry.users, where)
    equal(regs.rflags & (DF | AC), 0, f"{where}: DF and AC in RFLAGS")
    equal(regs.rsp % 16, 8, f"{where}: the lowest digit of RSP")
    top = guest.kernel_rsp if entry.ring else entry.frame["rsp"] & -16
    equal(regs.rdi, top - frame_size(m), f"{where}: where the frame lies (the kernel's stack)")
    compare(found, entry.frame, f"{where}: the frame")


# ---- Out ---------------------------------------------------------------------------------------

def come_back(guest: Guest, entry: Entry) -> None:
    """Let trap() change the frame, and return."""
    m, rng, where = guest.m, guest.rng, f"{entry.name}: after the return"
    changes = {"rip": entry.frame["rip"] & -16 | rng.randrange(0x10)}
    if entry.ring:
        changes["rsp"] = guest.user_rsp()
    come_back_changed(m, rng, where, **changes)
    regs = m.regs
    if entry.ring:
        in_program(regs.cr3, regs.gs_base, regs.k_gs_base, guest, entry.users, where)
    else:
        in_kernel(m, guest, entry.users, where)


def interrupts_off(machine: Machine) -> None:
    """At entry_leave: an interrupt from here on would find the program's tables, or its GS."""
    expect(not machine.regs.rflags & IF, "interrupts are on at entry_leave", "they are off")


# ---- SYSCALL -----------------------------------------------------------------------------------

HANDLER, NUMBER = "kernel_ready", 400


def call(guest: Guest) -> None:
    """A system call whose handler is the grader: every register on every stage of the way."""
    m, rng, users = guest.m, guest.rng, user_base(guest.rng)
    at = guest.program.syscall
    guest.in_ring3(users, rip=at, rax=NUMBER, rflags=random_flags(rng, DF, ID, AC, IF))
    before = m.regs
    m.run_to("entry_syscall")
    equal(m.regs.cr3, guest.shadow, "SYSCALL: CR3 at the kernel's first instruction")
    expect(m.run_to(HANDLER, at + 2) != at + 2, f"system call {NUMBER} comes back with RAX "
           f"{m.regs.rax:#x} without having been served", "syscall_table has a handler for it: is "
           "the number still in RAX?")
    served(guest, {**values(before), "rcx": at + 2, "r11": before.rflags & ~(1 << 16)}, users)
    answer = rng.getrandbits(64)
    wanted = changed_frame(guest)
    give_back(m, rng)
    m.set_regs(rax=answer)
    m.run_to(at + 2)
    regs = m.regs
    in_program(regs.cr3, regs.gs_base, regs.k_gs_base, guest, users, "after SYSRET")
    equal(regs.cs & 3, 3, "the ring after SYSRET")
    compare(values(regs), {**wanted, "rax": answer, "rip": at + 2,
                           "rflags": wanted["r11"]}, "after SYSRET")


def served(guest: Guest, frame: State, users: int) -> None:
    """The handler begins."""
    m, where = guest.m, "SYSCALL, at the handler"
    in_kernel(m, guest, users, where)
    place = m.memory.u64(PERCPU + layout.PERCPU_FRAME)
    equal(place, guest.kernel_rsp - frame_size(m, SYSCALL_FRAME),
          f"{where}: percpu.frame (on the kernel's stack)")
    compare(read_frame(m, place, SYSCALL_FRAME),
            {name: frame[name] for name in SYSCALL_FRAME.fields}, f"{where}: the frame")
    regs = m.regs
    compare(values(regs, ("rdi", "rsi", "rdx", "rcx", "r8", "r9")),
            {"rdi": frame["rdi"], "rsi": frame["rsi"], "rdx": frame["rdx"], "rcx": frame["r10"],
             "r8": frame["r8"], "r9": frame["r9"]}, f"{where}: the arguments")
    equal(regs.rsp % 16, 8, f"{where}: the lowest digit of RSP")


def changed_frame(guest: Guest) -> State:
    """Give the program other registers than it had; RIP and RFLAGS stay."""
    m = guest.m
    place = m.memory.u64(PERCPU + layout.PERCPU_FRAME)
    found = read_frame(m, place, SYSCALL_FRAME)
    other = {**random_registers(guest.rng), "rsp": guest.user_rsp()}
    wanted = {**{name: other[name] for name in SYSCALL_FRAME.fields},
              "rcx": found["rcx"], "r11": found["r11"]}
    write_frame(m, place, wanted, SYSCALL_FRAME)
    return wanted


def serve_by_grader(machine: Machine) -> None:
    """Let system call NUMBER end in a function that is not used any more."""
    place = machine.sym("syscall_table") + 8 * NUMBER
    machine.memory.write(place, machine.sym(HANDLER).to_bytes(8, "little"), kernel_root(machine))
