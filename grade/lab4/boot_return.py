"""Exercise 4.3: calls of enter_usermode_returnable: what was before each, and what must be so again
after it."""

from __future__ import annotations

from collections.abc import Callable

from grade.lab4.puppet import Guest
from grade.machine import Machine, layout
from grade.machine.layout import SIGKILL, SYS_exit, SYS_exit_group, SYS_getpid, USER_CS, USER_SS
from grade.machine.state import (AF, CALLEE_SAVED, CF, FIXED, GENERAL, ID, IF, KERNEL_SS, OF, PF,
                                 SF, ZF, State, assign, compare, user_base, variable)
from grade.outcome import equal, expect

MAGIC = layout.BOOT_CANARY_MAGIC
SEGMENTS = {"ds": KERNEL_SS, "es": KERNEL_SS, "fs": 0, "gs": 0}
SEEN = (*CALLEE_SAVED, "rflags", "cr3", "fs_base", "gs_base", "k_gs_base", *SEGMENTS)
BASES = ("fs_base", "gs_base", "k_gs_base")
KEPT_BY_INT80 = (*(name for name in GENERAL if name != "rax"), "rsp", *BASES)
FLAGS = (CF, PF, AF, ZF, SF, OF, ID, IF)
OWN = (*CALLEE_SAVED, "rflags", "fs_base", "k_gs_base")
STACKS = ("*kernel_rsp_ptr", "TSS.rsp0")
VARIABLES = {"*kernel_rsp_ptr": ("percpu", layout.PERCPU_KERNEL_RSP),
             "TSS.rsp0": ("cpu_tss", layout.TSS_RSP0),
             "boot_return_rsp": ("boot_return_rsp", 0), "boot_return_cr3": ("boot_return_cr3", 0),
             "boot_stack_canary": ("boot_stack_canary", 0),
             "current_process": ("current_process", 0)}


Way = Callable[[Guest], None]


def kept(machine: Machine) -> State:
    """The variables that a record brings back."""
    return {name: variable(machine, *place) for name, place in VARIABLES.items()}


class Visit:
    """One stay in ring 3, from the call to its return."""

    def __init__(self, guest: Guest, ordinal: str = "") -> None:
        self.guest, self.m, self.rng = guest, guest.m, guest.rng
        self.ordinal = ordinal
        self.own: State = {}  # what the caller had where something else was planted
        self.stacks: State = {}
        self.before: State = {}
        self.back = self.rsp = 0

    def begin(self) -> None:
        """Come to the call, and make everything random that it has to preserve."""
        self.m.run_to("enter_usermode_returnable")
        regs = self.m.regs
        self.own = {name: getattr(regs, name) for name in OWN}
        self.stacks = {name: kept(self.m)[name] for name in STACKS}
        self.back, self.rsp = self.m.memory.u64(regs.rsp), regs.rsp + 8
        stack = layout.KERNEL_STACKS_BASE + self.rng.randrange(1 << 30) * 16
        for name in STACKS:
            self.set(name, stack)
        self.m.set_regs(**{name: self.rng.getrandbits(64) for name in CALLEE_SAVED},
                        rflags=FIXED | sum(flag for flag in FLAGS if self.rng.random() < 0.5),
                        fs_base=user_base(self.rng), k_gs_base=user_base(self.rng))
        self.guest.root = self.m.regs.r8
        self.before = self.state()

    def set(self, name: str, value: int) -> None:
        assign(self.m, VARIABLES[name][0], value, VARIABLES[name][1])

    def state(self) -> State:
        regs = self.m.regs
        return {**{name: getattr(regs, name) for name in SEEN}, **kept(self.m)}

    def enter(self) -> None:
        """Come to the program's first instruction, and see that it is where it should be."""
        regs = self.m.regs
        wanted = {"rip": regs.rdi, "rsp": regs.rsi, "cs": USER_CS, "ss": USER_SS, "cr3": regs.r8,
                  "rflags": FIXED | IF, "ds": USER_SS, "es": USER_SS, "fs": 0, "gs": 0,
                  "gs_base": 0, "k_gs_base": self.m.sym("percpu"),
                  **{name: 0 for name in GENERAL}}
        self.m.run_to(self.guest.program.entry)
        now = self.m.regs
        compare({name: getattr(now, name) for name in wanted}, wanted,
                f"{self.words}: at the program's first instruction")
        self.check_record()

    def check_record(self) -> None:
        """The record is there, and the kernel works below it."""
        now, words = kept(self.m), f"{self.words}, while the program runs"
        equal(now["TSS.rsp0"], now["*kernel_rsp_ptr"],
              f"{words}: TSS.rsp0, compared with *kernel_rsp_ptr,")
        equal(now["TSS.rsp0"] % 16, 0, f"{words}: *kernel_rsp_ptr modulo 16",
              "draw the record: with the return address it must have an even number of slots")
        record = now["boot_return_rsp"]
        expect(self.rsp - 0x400 < record < self.rsp, f"{words}: boot_return_rsp is {record:#x}",
               f"an address a little below {self.rsp:#x}, where RSP was before the call")
        expect(now["*kernel_rsp_ptr"] <= record, f"{words}: *kernel_rsp_ptr is "
               f"{now['*kernel_rsp_ptr']:#x}, above the record's end at {record:#x}",
               "the kernel's stack begins below the record, or it overwrites it")
        equal(self.m.memory.u64(record), MAGIC, f"{words}: what lies at boot_return_rsp")
        equal(now["boot_stack_canary"], MAGIC, f"{words}: boot_stack_canary")
        equal(now["boot_return_cr3"], self.before["cr3"], f"{words}: boot_return_cr3")

    def disturb(self) -> int:
        """At boot_return_to_kernel: let nothing be as it must become. The result that is asked
        for."""
        result, rng = self.rng.getrandbits(64), self.rng
        roots = (self.guest.root, variable(self.m, "kernel_root"))
        self.m.set_regs(**{name: rng.getrandbits(64) for name in GENERAL if name != "rdi"},
                        rdi=result, cr3=rng.choice(roots), ds=USER_SS, es=USER_SS,
                        rflags=FIXED | sum(flag for flag in FLAGS if rng.random() < 0.5),
                        fs_base=user_base(rng), k_gs_base=user_base(rng))
        for name in (*STACKS, "current_process"):
            self.set(name, rng.getrandbits(64))
        return result

    def end(self, disturb: bool = True) -> None:
        """The program is ending: see the call return, with everything as it was. The caller then
        gets back what is its own."""
        self.m.run_to("boot_return_to_kernel")
        result = self.disturb() if disturb else self.m.regs.rdi
        place = self.m.run_to(self.back, "serial_putc", "panic_begin")
        expect(place != self.m.sym("serial_putc"),
               f"{self.words}: serial_putc is called on the way back",
               "nothing is printed on the way back but by last_words, which needs no driver")
        if place != self.back:
            self.m.run_to(self.back)  # a panic, and no way back: let it be told
        regs, where = self.m.regs, f"{self.words}: when the call has returned"
        equal(regs.rsp, self.rsp, f"{where}: RSP")
        equal(regs.rax, result, f"{where}: RAX, what boot_return_to_kernel was given,")
        compare(self.state(), {**self.before, **SEGMENTS}, where)
        none = not self.m.call.truth("has_boot_return_context")
        expect(none == (self.before["boot_return_rsp"] == 0),
               f"{where}: has_boot_return_context() is {str(not none).lower()}",
               "true if there is a record left, else false")
        self.m.set_regs(**self.own)
        for name, value in self.stacks.items():
            self.set(name, value)

    @property
    def words(self) -> str:
        return f"the {self.ordinal} call of enter_usermode_returnable" if self.ordinal else \
            "enter_usermode_returnable"


def exit_by_int80(guest: Guest) -> None:
    """exit(status) by int 0x80, from a random state."""
    guest.plant(rip=guest.program.int80, rax=SYS_exit)


def exit_by_syscall(guest: Guest) -> None:
    """exit(status) by SYSCALL."""
    guest.plant(rip=guest.program.syscall, rax=SYS_exit)


def exit_group(guest: Guest) -> None:
    guest.plant(rip=guest.program.syscall, rax=SYS_exit_group)


def killed_by(name: str, code: bytes) -> Way:
    """An instruction that ring 3 cannot execute."""
    def way(guest: Guest) -> None:
        guest.m.memory.poke_code(guest.program.spare, code)
        guest.plant(rip=guest.program.spare)
    way.__doc__ = name
    return way


def killed_in_an_interrupt(guest: Guest) -> None:
    """The timer strikes, and when its handler has done its work the program is ended."""
    m = guest.m
    guest.plant(rip=guest.program.entry, rflags=FIXED | IF)
    m.run_to("trap")
    equal(m.newest_event.vector, layout.VECTOR_TIMER, "the vector that interrupts ring 3")
    stack = m.regs.rsp
    m.run_to(m.memory.u64(stack))
    m.set_regs(rip=m.sym("process_kill"), rdi=SIGKILL, rsp=stack)


def killed_in_an_nmi(guest: Guest) -> None:
    """In the middle of exit, on the kernel's stack, an NMI: its handler ends the program."""
    exit_by_int80(guest)
    guest.m.run_to("process_exit")
    guest.m.nmi()
    guest.m.run_to("trap")
    guest.m.set_regs(rip=guest.m.sym("process_kill"), rdi=SIGKILL)


page_fault = killed_by("a read of address 0", b"\xa0" + bytes(8))  # movabs al, [0]
FAULTS: tuple[Way, ...] = (killed_by("ud2", b"\x0f\x0b"), killed_by("hlt", b"\xf4"),
                           killed_by("a division by 0", b"\x31\xc9\xf7\xf1"))
WAYS: tuple[Way, ...] = (*FAULTS, killed_in_an_interrupt, killed_in_an_nmi)


def nest(guest: Guest, depth: int, way: Way = exit_by_int80) -> None:
    """The program makes a system call, and the kernel runs another program in the middle of it,
    in which the same happens, and so on. Then all of them go on as if nothing had been. (From
    where else there must be a way back is another check's subject.)"""
    m = guest.m
    guest.plant(rip=guest.program.int80, rax=SYS_getpid, gs_base=user_base(guest.rng),
                fs_base=user_base(guest.rng))
    caller, root = m.regs, guest.root
    m.run_to("trap")
    m.step()
    before = {**kept(m), **{name: getattr(m.regs, name) for name in ("cr3", *BASES)}}
    call = m.call.begin("programs_run_one", m.sym("probe_data"))
    visit = Visit(guest, f"nested (level {depth})")
    visit.begin()
    visit.enter()
    if depth:
        nest(guest, depth - 1, guest.rng.choice((exit_by_int80, *FAULTS)))
    way(guest)
    visit.end()
    m.call.end(call)
    guest.root = root
    compare({**kept(m), **{name: getattr(m.regs, name) for name in ("cr3", *BASES)}}, before,
            f"after a program that ran in a system call of another (level {depth})")
    guest.come_back(guest.program.int80 + 2, "the outer program's system call")
    compare({name: getattr(m.regs, name) for name in KEPT_BY_INT80},
            {name: getattr(caller, name) for name in KEPT_BY_INT80},
            f"the outer program after its system call (level {depth})")


def smash(guest: Guest, where: str) -> int:
    """Write over a canary: what is there instead."""
    value = guest.rng.getrandbits(64)
    if where == "record":
        guest.m.memory.set_u64(variable(guest.m, "boot_return_rsp"), value)
    else:
        assign(guest.m, "boot_stack_canary", value)
    return value


def check_report(machine: Machine, found: int) -> None:
    """The kernel stands at boot_return_to_kernel: it notices, says so in the words of the
    interface, and panics."""
    line = machine.symbols.line(machine.sym("boot_return_to_kernel"))
    expect(".c:" not in line, f"boot_return_to_kernel is C code, at {line}",
           "assembly: a compiler moves code across what it believes to be a call")
    machine.run_to_exit(layout.EXIT_PANIC)
    machine.console.expect_in_order([
        "[BOOT_RETURN ENTRY]", "[BOOT_RETURN] FATAL: Stack canary mismatch!",
        f"[BOOT_RETURN] Expected: {MAGIC:#018x}", f"[BOOT_RETURN] Got:      {found:#018x}"])
