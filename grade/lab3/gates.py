"""Exercise 3.1: gates of the IDT, and what comes of raising them from ring 3."""

from __future__ import annotations

from random import Random

from grade.lab1.segments import INTERRUPT_GATE
from grade.lab3.kernel import Programs
from grade.lab3.ring3 import Visitor
from grade.machine import Machine, layout
from grade.machine.layout import ENOSYS, VECTOR_BP, VECTOR_GP
from grade.machine.state import (ARITHMETIC, CALLER_SAVED, DF, FIXED, GENERAL, IF, IST,
                                 random_registers)
from grade.outcome import equal, expect, show

SYSCALL = layout.VECTOR_SYSCALL
OPEN = (VECTOR_BP, SYSCALL)
NAMED = (0, 1, 2, 6, 8, 13, 14, 17, 18, 0x20, 0x21, 0x27, 0x7F, 0x81, 0xFF)

LIMIT_OF_ERRORS = 4095
ARGUMENTS = (("rdi", "rdi"), ("rsi", "rsi"), ("rdx", "rdx"), ("r10", "rcx"), ("r8", "r8"),
             ("r9", "r9"))  # of a system call, and of a C function
LEFT = sum(ARITHMETIC) | DF  # a program may leave these as it likes


def check_gates(m: Machine) -> None:
    """All 256, from the table that IDTR names."""
    table = m.memory.read(m.system.idtr.base, 16 * 256)
    stubs = m.memory.read(m.sym("isr_stubs"), 8 * 256)
    for vector in range(256):
        low = int.from_bytes(table[16 * vector:16 * vector + 8], "little")
        high = int.from_bytes(table[16 * vector + 8:16 * vector + 16], "little")
        name = f"IDT[{vector:#x}]"
        dpl = 3 if vector in OPEN else 0
        equal(low >> 45 & 3, dpl, f"the DPL of {name}")
        equal(low >> 40 & 0x1F, INTERRUPT_GATE, f"the type of {name}",
              "0xe, an interrupt gate, clears IF on the way in; 0xf, a trap gate, does not")
        equal(low >> 47 & 1, 1, f"the present bit of {name}")
        equal(low >> 32 & 0xFF, IST.get(vector, 0), f"the IST number of {name}")
        equal(low >> 16 & 0xFFFF, layout.SELECTOR_KERNEL_CODE, f"the selector of {name}")
        offset = low & 0xFFFF | low >> 32 & 0xFFFF0000 | (high & 0xFFFFFFFF) << 32
        equal(offset, int.from_bytes(stubs[8 * vector:8 * vector + 8], "little"),
              f"the handler of {name}")


def raise_from_ring3(kernel: Programs, rng: Random) -> None:
    """`int n` for many n: only two are let in, the others are #GP."""
    m = kernel.m
    visitor = Visitor(kernel, rng, b"".join(bytes([0xCD, n]) for n in range(256)))
    others = [n for n in range(256) if n not in OPEN and n not in NAMED]
    for n in (*OPEN, *NAMED, *rng.sample(others, 25)):
        visitor.enter(2 * n)
        m.run_to("trap")
        event = m.newest_event
        seen = f"`int {n:#x}` in ring 3 is delivered as vector {event.vector}"
        if n in OPEN:
            expect(event.vector == n, seen, f"vector {n}")
        else:
            expect(event.vector == VECTOR_GP, seen,
                   "vector 13, #GP: ring 3 must not raise what only the processor raises")
        equal(event.cpl, 3, f"the ring in which vector {event.vector} came")


class Caller:
    """Ring 3 that executes `int 0x80`, and a system call that the grader answers."""

    def __init__(self, kernel: Programs, rng: Random) -> None:
        self.kernel, self.m, self.rng = kernel, kernel.m, rng
        self.visitor = Visitor(kernel, rng, b"\xcd\x80\xf4")
        self.table = self.m.symbols.symbol("syscall_table")
        self.numbers = self.table.size // 8
        self.visitor.enter()

    def state(self, number: int) -> dict[str, int]:
        """Random registers, flags and stack pointer of ring 3."""
        flags = FIXED | self.rng.getrandbits(64) & (LEFT | IF)
        return {**random_registers(self.rng), "rax": number, "rflags": flags,
                "rsp": self.rng.randrange(1 << 47)}

    def serve(self, number: int) -> None:
        """A number that the grader serves: arguments there, result and registers back."""
        m, entry = self.m, self.table.address + 8 * number
        state = self.state(self.rng.choice((0, 1, self.rng.getrandbits(32))) << 32 | number)
        before = m.memory.u64(entry)
        m.memory.set_u64(entry, m.sym("probe_done"))
        m.set_regs(rip=self.visitor.code, **state)
        what = f"system call {number} (RAX: {show(state['rax'])})"
        where = m.run_to("probe_done", self.visitor.code + 2)
        expect(where == m.sym("probe_done"),
               f"{what}: no function is called, and RAX comes back as {show(m.regs.rax)}",
               f"EAX is the number: syscall_table[{number}] is called")
        regs = m.regs
        for program, function in ARGUMENTS:
            equal(getattr(regs, function), state[program],
                  f"{what}: the argument in {program.upper()}, as the function gets it,")
        expect(not regs.rflags & IF, f"{what}: interrupts are on (IF) in the function",
               "they are off: an interrupt gate clears IF")
        state["rax"] = self.answer()
        m.memory.set_u64(entry, before)
        self.returned(state, what)

    def answer(self) -> int:
        """Return from the function, as C may: with a result and rubbish in every other register
        that belongs to it."""
        m, regs = self.m, self.m.regs
        rubbish = {name: self.rng.getrandbits(64) for name in CALLER_SAVED}
        m.set_regs(rip=m.memory.u64(regs.rsp), rsp=regs.rsp + 8, **rubbish)
        return rubbish["rax"]

    def refuse(self, number: int) -> None:
        """A number that nobody serves."""
        state = self.state(number)
        self.m.set_regs(rip=self.visitor.code, **state)
        state["rax"] = -ENOSYS % (1 << 64)
        self.returned(state, f"system call {number:#x}, which does not exist")

    def returned(self, state: dict[str, int], what: str) -> None:
        """Behind the `int 0x80`, all is as before but RAX."""
        self.m.run_to(self.visitor.code + 2)
        regs = self.m.regs
        equal(show(regs.rax), show(state["rax"]), f"{what}: RAX afterwards")
        for name in (*GENERAL, "rsp", "rflags"):
            equal(getattr(regs, name), state[name],
                  f"{what}: {name.upper()}, which is not the result,")
        equal(regs.cpl, 3, f"{what}: the ring afterwards")


def unserved(caller: Caller, rng: Random) -> list[int]:
    """Numbers that no table has, and one within it that has no function."""
    limit = caller.numbers
    return [limit - 1, limit, limit + rng.randrange(1 << 20), 1 << 31, (1 << 32) - 1,
            (1 << 64) - 1, (1 << 64) - limit, rng.getrandbits(64) | 1 << 24]
