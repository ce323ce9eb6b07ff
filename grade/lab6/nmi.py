"""Exercise 6.6: an NMI and a #DB can come at any instruction: here they come at every one."""

from __future__ import annotations

from grade.lab import Lab
from grade.lab6.entry_area import entry_stack_top
from grade.lab6.entry_exit import NUMBER, serve_by_grader, stub
from grade.lab6.puppet import KERNEL_CODE, Guest
from grade.lab6.pcid import PCID
from grade.lab6.kernel import KERNEL_RSP, PERCPU, SHADOW, boot, kernel_root
from grade.lab6.programs import LIMITS, TREE, come_to_exit, run_to_end
from grade.machine import Machine, Module, layout
from grade.machine.frames import count_free
from grade.machine.gdbremote import Registers
from grade.machine.hardware_breakpoint import clear_breakpoint, set_breakpoint
from grade.machine.layout import PAGE, USER_CS, USER_SS, VECTOR_DB, VECTOR_NMI
from grade.machine.state import (AC, ALL, DF, FIXED, GENERAL, ID, IST, KERNEL_CS, KERNEL_SS, TF,
                                 WITH_ERROR_CODE, State, compare, frame_size, give_back, mapped,
                                 nmi_here, random_flags, random_registers, read_frame, user_base,
                                 values, write_words)
from grade.outcome import equal, expect
from grade.programs.seen import Seen

NAMES = {VECTOR_DB: "#DB", VECTOR_NMI: "an NMI"}
LAST = (b"\x48\xcf", b"\x48\x0f\x07")  # iretq, sysret: a step over them ends in the program
MOST_STEPS, MOST_NMIS, FEWEST_NMIS = 300, 2000, 40
KEPT = (*ALL, "cs", "cr3", "gs_base", "k_gs_base")
UNMAPPED = layout.ENTRY_STACK_TOP + PAGE  # the top of a guard page


def at_trap(guest: Guest, vector: int, before: State, where: str) -> None:
    """trap() has the kernel's tables and GS, and a good frame on the vector's own stack; but on
    the program's kernel stack if it is a #DB of ring 3: the kernel may go on to another program."""
    machine = guest.m
    regs, users = machine.regs, vector == VECTOR_DB and before["cs"] & 3
    equal(regs.cr3, before["cr3"] & ~(SHADOW | PCID), f"{where}: CR3 at trap()")
    equal(regs.gs_base, PERCPU, f"{where}: GS_BASE at trap()")
    equal(regs.rflags & (DF | AC), 0, f"{where}: DF and AC at trap()")
    equal(regs.rdi, (guest.kernel_rsp if users else entry_stack_top(vector)) - frame_size(machine),
          f"{where}: where the frame lies")
    frame = read_frame(machine, regs.rdi)
    compare(frame, {**{name: before[name] for name in ALL}, "vector": vector},
            f"{where}: the frame at trap()")


def strike_here(guest: Guest, what: str) -> None:
    """Let an NMI, and then a #DB, come before the instruction at which the machine stands; go on
    after each."""
    m, before = guest.m, values(guest.m.regs, KEPT)
    nmi_here(m, guest.rng)
    struck(guest, VECTOR_NMI, before, what)
    set_breakpoint(m, before["rip"])
    m.run_to("trap")
    clear_breakpoint(m)
    struck(guest, VECTOR_DB, before, what)


def struck(guest: Guest, vector: int, before: State, what: str) -> None:
    """trap() begins. All is as it must be; and after the return, as it was."""
    m = guest.m
    where = f"{NAMES[vector]} at {place(m, before['rip'])}, {what}"
    at_trap(guest, vector, before, where)
    give_back(m, guest.rng)
    m.run_to(before["rip"])
    compare(values(m.regs, KEPT), before, f"{where}: after its return")


def place(machine: Machine, rip: int) -> str:
    return "the program's instruction" if rip < 1 << 47 else machine.where(rip)


def strike_at_each(guest: Guest, until: str, what: str) -> None:
    """Step on, an NMI and a #DB before each instruction, to a function, or to ring 3 ("")."""
    m = guest.m
    for _ in range(MOST_STEPS):
        regs = m.regs
        if arrived(m, regs, until):
            return strike_here(guest, what) if not until else None
        strike_here(guest, what)
        m.step()
    expect(False, f"{what}: after {MOST_STEPS} instructions {until or 'ring 3'} is not reached",
           "some 70 instructions lead there")


def arrived(machine: Machine, regs: Registers, until: str) -> bool:
    return regs.rip == machine.sym(until) if until else regs.cpl == 3


def all_the_way(guest: Guest, name: str, at: int, handler: str, **registers: int) -> None:
    """From ring 3 to what serves the entry, and back to ring 3."""
    m, users = guest.m, user_base(guest.rng)
    guest.in_ring3(users, rip=at, rflags=random_flags(guest.rng, DF, ID), **registers)
    strike_here(guest, f"before {name}")
    m.step()
    strike_at_each(guest, handler, f"on {name}'s way in")
    give_back(m, guest.rng)
    strike_at_each(guest, "", f"on {name}'s way out")


def check_every_instruction(guest: Guest) -> None:
    """int 0x80, an exception, SYSCALL; and an exception in ring 0."""
    m = guest.m
    m.mask_devices()
    serve_by_grader(m)
    m.set_regs(cr3=guest.root)
    m.memory.poke_code(guest.program.spare, b"\x0f\x0b")
    all_the_way(guest, "int 0x80", guest.program.int80, "trap")
    all_the_way(guest, "an exception", guest.program.spare, "trap")
    all_the_way(guest, "SYSCALL", guest.program.syscall, KERNEL_CODE, rax=NUMBER)
    m.set_regs(cr3=guest.root)
    m.memory.poke_code(m.sym(KERNEL_CODE), b"\x0f\x0b")
    guest.in_ring0(user_base(guest.rng), rip=m.sym(KERNEL_CODE), rflags=FIXED)
    m.step()
    strike_at_each(guest, "trap", "on the way in from ring 0")


def deliver(guest: Guest, vector: int, shadow: bool, users_gs: bool) -> None:
    """What the processor does for a vector with a stack of its own, in any state of CR3 and GS."""
    m, rng, users = guest.m, guest.rng, user_base(guest.rng)
    state = {**random_registers(rng), "rip": m.sym("entry_leave"), "rsp": guest.kernel_rsp - 0x200,
             "rflags": random_flags(rng, DF, ID), "cs": KERNEL_CS, "ss": KERNEL_SS}
    if shadow and users_gs:
        state.update(rip=guest.program.entry, rsp=guest.user_rsp(), cs=USER_CS, ss=USER_SS)
    pushed = [state[name] for name in ("rip", "cs", "rflags", "rsp", "ss")]
    pushed = [0] * (vector in WITH_ERROR_CODE) + pushed
    start = entry_stack_top(vector) - 8 * len(pushed)
    write_words(m, start, pushed)
    m.set_regs(**{name: state[name] for name in GENERAL}, rsp=start, rip=stub(m, vector),
               cs=KERNEL_CS, ss=KERNEL_SS, rflags=FIXED | DF,
               cr3=guest.shadow if shadow else guest.root,
               gs_base=users if users_gs else PERCPU, k_gs_base=PERCPU if users_gs else users)
    before = {**state, **values(m.regs, ("cr3", "gs_base", "k_gs_base"))}
    where = (f"vector {vector}, {'shadow' if shadow else 'own'} table, "
             f"GS the {'program' if users_gs else 'kernel'}'s")
    m.run_to("trap")
    at_trap(guest, vector, before, where)
    give_back(m, rng)
    m.run_to(state["rip"])
    compare(values(m.regs, KEPT), {name: before[name] for name in KEPT},
            f"{where}: after the return")


def check_deliveries(guest: Guest) -> None:
    """Vectors with a stack of their own, in each of the states on the way in and out."""
    states = [(vector, shadow, users_gs) for vector in IST for shadow in (True, False)
              for users_gs in (True, False)]
    for vector, shadow, users_gs in guest.rng.sample(states, len(states)):
        guest.in_ring3(0)
        deliver(guest, vector, shadow, users_gs)


# ---- At random, while programs run ------------------------------------------------------------

class Storm:
    """At many entries and exits some instructions more, and then an NMI, or a #DB after the next
    one: the kernel goes on, and takes TF away."""

    def __init__(self, lab: Lab, machine: Machine, seen: Seen) -> None:
        self.m, self.rng, self.seen, self.sent = machine, lab.rng, seen, 0
        for name in ("entry_leave", "entry_syscall", "entry_syscall_leave"):
            machine.on(name, self.strike)
        machine.on(stub(machine, layout.VECTOR_SYSCALL), self.strike)

    def strike(self) -> None:
        if self.rng.random() < 0.6:
            return
        regs = self.step(self.rng.randrange(24))
        if not regs.cpl and self.rng.random() < 0.3 and \
                not self.m.memory.read(regs.rip, 3).startswith(LAST):
            self.m.set_regs(rflags=regs.rflags | TF)
            return
        self.m.nmi()
        self.sent += 1
        expect(self.sent < MOST_NMIS, f"after {MOST_NMIS} NMIs 31 processes have not ended",
               "some hundred entries and exits lead to the end")

    def step(self, most: int) -> Registers:
        """So many instructions, but none in ring 3: nothing of the program goes unseen."""
        regs = self.m.regs
        for _ in range(most):
            regs = self.m.step()
            if regs.cpl:
                self.seen.look()
                break
        return regs


def check_storm(lab: Lab, suffix: str) -> None:
    """A tree of processes grows as if there were none; and all are counted."""
    file = lab.kernel.parent / "user" / f"family{suffix}.elf"
    modules = [Module(file.read_bytes(), "family")]
    with boot(lab, probe=True, modules=modules, limits=LIMITS) as m:
        m.run_to("programs_run")
        free, counted = count_free(m), m.call("nmi_count")
        seen = Seen(m, {"family": file})
        storm = Storm(lab, m, seen)
        come_to_exit(m)
        equal(m.call("nmi_count") - counted, storm.sent, "the number of NMIs that nmi_count tells")
        run_to_end(m, free, "family: 31 processes", "process 2 family: exited with status 0")
        seen.check_tally(TREE)
        expect(storm.sent > FEWEST_NMIS, f"31 processes have made {storm.sent * 2} entries and "
               "exits that the grader knows", "some hundred, by the ways of lab6.h")


def check_double_fault(guest: Guest, place: int) -> None:
    """A stack that is none: the kernel says so, whichever table was in use."""
    m = guest.m
    m.set_regs(cr3=guest.root)
    m.phys.set_u64(physical(m, place), UNMAPPED)
    guest.in_ring3(0, rip=guest.program.int80, rflags=FIXED)
    m.run_to_exit(layout.EXIT_PANIC)
    equal([line.split(" (")[0] for line in m.console.lines if line.startswith("PANIC: ")],
          ["PANIC: #DF double fault"], "the kernel's last words when an entry finds no stack")


def physical(machine: Machine, va: int) -> int:
    return mapped(machine, va, kernel_root(machine)).pa


BAD_STACKS = (KERNEL_RSP, layout.ENTRY_TSS + layout.TSS_RSP0)
