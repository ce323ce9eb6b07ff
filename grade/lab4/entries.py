"""Exercise 4.1: through the interrupt stubs, with GS under observation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from grade.lab4.puppet import Guest
from grade.machine import Machine, Registers, layout
from grade.machine.hardware_breakpoint import clear_breakpoint, set_breakpoint
from grade.machine.layout import USER_CS, USER_SS, VECTOR_DB, VECTOR_DF, VECTOR_MC, VECTOR_NMI
from grade.machine.state import (AC, DF, FIXED, GENERAL, ID, IST, KERNEL_CS, KERNEL_SS, TF, State,
                                 come_back_changed, compare, flags_clear, frame_size, give_back,
                                 ist_top, nmi_here, random_flags, random_registers, read_frame,
                                 user_base, values, write_words)
from grade.outcome import Failure, Outcome, equal, expect

NAMES = {VECTOR_DB: "#DB", VECTOR_NMI: "an NMI", VECTOR_DF: "#DF", VECTOR_MC: "#MC"}
MOST_STEPS = 200
ISR_DEBUG = ("isr_debug in isr.asm: only a #DB of ring 0 stays on #DB's own stack; from ring 3 the "
             "kernel may go on to another program")


class Trap(NamedTuple):
    """An instruction that enters the kernel."""

    name: str
    code: bytes
    vector: int
    after: int = 0  # RIP in the frame, from the instruction's beginning
    error: int = 0
    registers: State = {}


def traps(ring: int) -> list[Trap]:
    """Those that ring 0 and ring 3 can execute."""
    nowhere = 0x10_0000_0000
    found = [Trap("int3", b"\xcc", 3, 1), Trap("ud2", b"\x0f\x0b", 6),
             Trap("div by 0", b"\xf7\xf1", 0, 0, 0, {"rcx": 0}),
             Trap("int 0x80", b"\xcd\x80", 128, 2),
             Trap("a read where nothing is mapped", b"\x48\x8b\x03", 14, 0, 4 if ring else 0,
                  {"rbx": nowhere})]
    users = [Trap("hlt, which is privileged,", b"\xf4", 13),
             Trap("a step (TF)", b"\x90", VECTOR_DB, 1, 0, {"rflags": FIXED | TF})]
    return found + users if ring else found


class Place(NamedTuple):
    """Where the instruction stands: a ring, and whose GS_BASE that ring has."""

    cs: int
    ss: int
    code: int
    kernels: bool  # GS_BASE is the kernel's already
    stack: int = 0  # the stack that there is; none in ring 3

    @property
    def ordinary(self) -> bool:
        """Any interrupt can come here."""
        return bool(self.cs & 3) or self.kernels

    @property
    def words(self) -> str:
        if self.cs & 3:
            return "in ring 3"
        return "in ring 0" + ("" if self.kernels else " while GS_BASE is still the program's")

    def stack_pointer(self, rng: Random) -> int:
        """In ring 3 RSP can be anything."""
        return self.stack - rng.randrange(0x100) if self.stack else rng.getrandbits(64)

    def bases(self, machine: Machine, users: int) -> State:
        kernels = machine.sym("percpu")
        return ({"gs_base": kernels, "k_gs_base": users} if self.kernels else
                {"gs_base": users, "k_gs_base": kernels})


def check_bases(machine: Machine, place: Place, users: int, where: str) -> None:
    """GS is again what this place has."""
    regs, bases = machine.regs, place.bases(machine, users)
    for name, value in bases.items():
        equal(getattr(regs, name), value, f"{where}: {name.upper()}")


def through(machine: Machine, rng: Random, place: Place, trap: Trap) -> None:
    """Execute the instruction in a random state; look at trap(); let that change all; return."""
    users = user_base(rng)
    state = {**random_registers(rng), "rip": place.code,
             "cs": place.cs, "ss": place.ss, "rsp": place.stack_pointer(rng),
             "rflags": random_flags(rng, DF, ID, *((AC,) if place.cs & 3 else ())),
             **trap.registers}
    machine.memory.poke_code(place.code, trap.code)
    machine.set_regs(**state, **place.bases(machine, users))
    before = machine.regs
    machine.run_to("trap")
    where = f"{trap.name} {place.words}"
    expected = {**values(before, GENERAL), "vector": trap.vector, "error": trap.error,
                "rip": place.code + trap.after, "cs": place.cs, "rflags": before.rflags,
                "rsp": before.rsp, "ss": place.ss}
    called_well(machine, where, users, expected)
    come_back(machine, rng, place, where, users)


def called_well(machine: Machine, where: str, users: int, expected: State) -> None:
    """trap() begins: GS is the kernel's, flags and stack are as C wants them, and the frame."""
    regs = machine.regs
    gs_in_kernel(machine, users, f"{where}, at trap()")
    flags_clear(regs, (DF, AC), f"{where}, at trap()", "CALL_TRAP in isr.asm must stay in the way")
    expect(regs.rsp % 16 == 8, f"{where}: RSP is {regs.rsp:#x} at trap()'s first instruction",
           "RSP was a multiple of 16 before the call pushed the return address")
    equal(regs.rdi, regs.rsp + 8, f"{where}: RDI, trap()'s argument,")
    on_its_stack(machine, where, expected)
    compare(read_frame(machine, regs.rdi), expected, f"{where}: the frame at trap()")


def on_its_stack(machine: Machine, where: str, frame: State) -> None:
    """The frame lies on the stack that the vector is to have: the vector's own; or the program's
    kernel stack, where #DB of ring 3 too must come to; or the one that was interrupted."""
    vector, ring = frame["vector"], frame["cs"] & 3
    if vector in IST and not (vector == VECTOR_DB and ring):
        top, name = ist_top(machine, vector), f"IST {IST[vector]}"
    elif ring:
        top, name = machine.memory.u64(machine.sym("cpu_tss") + layout.TSS_RSP0), "TSS.rsp0"
    else:
        top, name = frame["rsp"] & -16, "RSP"
    equal(machine.regs.rdi, top - frame_size(machine),
          f"{where}: where the frame lies (below {name})", ISR_DEBUG if vector == VECTOR_DB else "")


def come_back(machine: Machine, rng: Random, place: Place, where: str, users: int) -> None:
    """Let trap() change the frame, and return."""
    come_back_changed(machine, rng, f"{where}: after the return",
                      rip=place.code + rng.randrange(0x10, 0x40), rsp=place.stack_pointer(rng))
    check_bases(machine, place, users, f"{where}: after the return")


def strike_here(machine: Machine, rng: Random, users: int, place: str) -> None:
    """Let an NMI, and then a #DB, come before the instruction at which the machine stands; go on
    after each."""
    before = machine.regs
    nmi_here(machine, rng)
    struck(machine, rng, users, VECTOR_NMI, before, place)
    set_breakpoint(machine, before.rip)
    machine.run_to("trap")
    clear_breakpoint(machine)
    struck(machine, rng, users, VECTOR_DB, before, place)


def struck(machine: Machine, rng: Random, users: int, vector: int, before: Registers,
           place: str) -> None:
    """trap() begins. All is as it must be; and after the return, as it was."""
    where = f"{NAMES[vector]} at {place}"
    frame = read_frame(machine, machine.regs.rdi)
    equal(frame["vector"], vector, f"{where}: the vector in the frame at trap()")
    equal(frame["rip"], before.rip, f"{where}: RIP in the frame at trap()")
    on_its_stack(machine, where, frame)
    gs_in_kernel(machine, users, f"{where}, at trap()")
    flags_clear(machine.regs, (DF, AC), f"{where}, at trap()")
    give_back(machine, rng)
    machine.run_to(before.rip)
    after = machine.regs
    for name in ("gs_base", "k_gs_base"):
        equal(getattr(after, name), getattr(before, name),
              f"{where}: {name.upper()} when the handler has returned")
    compare(values(after), values(before), f"{where}: when the handler has returned")


def strike_at_each(machine: Machine, rng: Random, users: int, until: int, what: str) -> list[int]:
    """Step on, an NMI and a #DB before each instruction, until a place (an address, or 3: ring 3)
    is come to. The addresses of the instructions."""
    seen: list[int] = []
    while len(seen) < MOST_STEPS:
        regs = machine.regs
        if regs.rip == until or regs.cpl == until:
            return seen
        strike_here(machine, rng, users, f"{machine.where(regs.rip)}, {what}")
        seen.append(regs.rip)
        machine.step()
    raise too_long(what)


def too_long(what: str) -> Failure:
    """Somebody went astray."""
    return Failure(Outcome.WRONG, f"{what}: more than {MOST_STEPS} instructions", "a short way")


def deliver(machine: Machine, rng: Random, place: Place, vector: int) -> None:
    """Do what the processor does for a vector with a stack of its own; look; return."""
    users = user_base(rng)
    interrupted = {**random_registers(rng), "rip": place.code, "cs": place.cs,
                   "rflags": random_flags(rng, DF, ID), "rsp": rng.getrandbits(47),
                   "ss": place.ss}
    pushed = {name: interrupted[name] for name in ("rip", "cs", "rflags", "rsp", "ss")}
    if vector == VECTOR_DF:
        pushed = {"error": 0, **pushed}
    start = ist_top(machine, vector) - 8 * len(pushed)
    write_words(machine, start, pushed.values())
    machine.set_regs(**{name: interrupted[name] for name in GENERAL}, rsp=start,
                     rflags=FIXED | DF, cs=KERNEL_CS, ss=KERNEL_SS,
                     rip=machine.memory.u64(machine.sym("isr_stubs") + 8 * vector),
                     **place.bases(machine, users))
    machine.run_to("trap")
    where = f"{NAMES[vector]} {place.words}"
    called_well(machine, where, users, {**interrupted, "vector": vector, "error": 0})
    come_back(machine, rng, place, where, users)


@contextmanager
def stopping(machine: Machine, *places: str) -> Iterator[None]:
    """Breakpoints that stay: that is cheaper than to set them again and again."""
    for place in places:
        machine.session.insert(machine.sym(place))
    yield
    for place in places:
        machine.session.remove(machine.sym(place))


def places(guest: Guest) -> list[Place]:
    """Ring 3, ring 0, and ring 0 at the edge, in random order."""
    m = guest.m
    kernel = m.sym("process_create")  # in nobody's way
    found = [Place(USER_CS, USER_SS, guest.program.spare, False),
             *(Place(KERNEL_CS, KERNEL_SS, kernel, own, guest.stack) for own in (True, False))]
    return guest.rng.sample(found, 3)


def gs_in_kernel(machine: Machine, users: int, where: str) -> None:
    """GS_BASE is the kernel's, and the program's waits in KERNEL_GS_BASE."""
    _gs(machine, machine.sym("percpu"), users, where)


def gs_in_program(machine: Machine, users: int, where: str) -> None:
    _gs(machine, users, machine.sym("percpu"), where)


def _gs(machine: Machine, active: int, waiting: int, where: str) -> None:
    regs, kernels = machine.regs, machine.sym("percpu")
    whose = "the kernel's, &percpu" if active == kernels else "the program's"
    if (regs.gs_base, regs.k_gs_base) == (waiting, active):
        raise Failure(Outcome.WRONG, f"{where}: GS_BASE is {regs.gs_base:#x} and KERNEL_GS_BASE "
                      f"is {regs.k_gs_base:#x}: they are exchanged",
                      f"GS_BASE is {active:#x} ({whose}) and KERNEL_GS_BASE {waiting:#x}")
    equal(regs.gs_base, active, f"{where}: GS_BASE ({whose})")
    equal(regs.k_gs_base, waiting, f"{where}: KERNEL_GS_BASE, where the other one waits,")
