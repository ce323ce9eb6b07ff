"""Exercise 4.5: system calls by SYSCALL, with a handler that is the grader's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from grade.lab4.entries import (MOST_STEPS, gs_in_kernel, gs_in_program, ist_top, strike_here,
                                too_long)
from grade.lab4.puppet import DATA_PAGES, Guest
from grade.lab4.boot_return import Visit, exit_by_syscall
from grade.machine import Machine, Registers, layout
from grade.machine.calls import ARGUMENTS as C_ARGUMENTS
from grade.machine.layout import (DR6_NOTHING, KERNEL_BASE, PAGE, SIGSEGV, SIGTRAP, SYSCALL_LIMIT,
                                  SYS_getpid, USER_CS, USER_END, USER_SS, VECTOR_DB, WORD)
from grade.machine.state import (AC, ARGUMENTS, DF, FIXED, GENERAL, ID, IF, IOPL, KERNEL_CS,
                                 KERNEL_SS, NT, RF, SYSCALL_FRAME, TF, TRAP_FRAME, assign, compare,
                                 flags_clear, frame_size, give_back, random_flags, read_frame,
                                 user_base, values, variable, write_frame)
from grade.outcome import equal, expect
from grade.programs.image import assemble

HANDLER = "per_cpu_data_ptr"  # stands in the table for a call of the grader's; never runs
HOSTILE = (IF, DF, NT, AC, IOPL, ID)
NOT_IN_C = (TF, DF, NT, AC, IOPL)
CHANGED = ("rax", "rcx", "r11")
KERNELS = "on_debug in debug.c: a #DB of ring 0 is no mistake of the kernel's, which goes on"


def hook(machine: Machine, rng: Random) -> int:
    """A system call that is the grader's: its number, often the first or the last."""
    number = rng.choice((0, SYSCALL_LIMIT - 1, rng.randrange(300, SYSCALL_LIMIT)))
    assign(machine, "syscall_table", machine.sym(HANDLER), 8 * number)
    return number


def frame_address(machine: Machine) -> int:
    return variable(machine, "percpu", layout.PERCPU_FRAME)


def stack_pointers(machine: Machine, rng: Random) -> Iterator[int]:
    """What a program can have in RSP: it is its own affair, so anything."""
    yield from (0, 1, 8, 1 << 47, 1 << 63, (1 << 64) - 1, machine.sym("percpu"),
                machine.sym("syscall_table") + 0x800, rng.getrandbits(64), rng.randrange(USER_END))


def syscall(guest: Guest, number: int, rsp: int, flags: int) -> Registers:
    """Stand at SYSCALL with random registers; they are the result."""
    guest.plant(rip=guest.program.syscall, rax=number, rsp=rsp, rflags=flags,
                gs_base=user_base(guest.rng), fs_base=user_base(guest.rng))
    return guest.m.regs


def check_handler(guest: Guest, before: Registers) -> None:
    """At the handler's first instruction: it is called as C wants it, and the frame is complete."""
    m, regs, where = guest.m, guest.m.regs, "at the handler of a system call"
    compare({name: getattr(regs, name) for name in C_ARGUMENTS},
            {name: getattr(before, own) for name, own in zip(C_ARGUMENTS, ARGUMENTS)},
            f"{where}: its arguments, in C's registers",
            "the program's are in rdi rsi rdx r10 r8 r9")
    flags_clear(regs, NOT_IN_C, where, "SFMASK clears it, and nobody may set it again")
    expect(regs.rflags & IF, f"{where}: interrupts are off",
           "they are on: sti, once the kernel's stack is in use")
    equal(regs.rsp % 16, 8, f"{where}: RSP modulo 16",
          "RSP is a multiple of 16 before a call; kernel_rsp is one")
    gs_in_kernel(m, before.gs_base, where)
    check_frame(guest, before, regs)


def check_frame(guest: Guest, before: Registers, regs: Registers) -> None:
    """struct syscall_frame, slot by slot."""
    m, where = guest.m, "at the handler of a system call"
    top = variable(m, "percpu", layout.PERCPU_KERNEL_RSP)
    expect(top - 0x400 < regs.rsp < top, f"{where}: RSP is {regs.rsp:#x}",
           f"a little below percpu.kernel_rsp, {top:#x}")
    address = frame_address(m)
    expect(regs.rsp < address < top, f"{where}: percpu.frame is {address:#x}",
           f"the frame's address, between RSP {regs.rsp:#x} and percpu.kernel_rsp {top:#x}")
    expected = {**values(before, (*GENERAL, "rsp")), "rcx": before.rip + 2, "r11": before.rflags}
    compare(read_frame(m, address, SYSCALL_FRAME), expected, "struct syscall_frame",
            "it is read from the lowest address up: r9 is pushed last")
    equal(m.call("get_saved_user_rsp"), before.rsp, "get_saved_user_rsp() in a system call")


def check_return(guest: Guest, before: Registers, result: int, flags: int) -> None:
    """Behind SYSCALL: everything is the program's again."""
    m, where = guest.m, "after a system call"
    regs = m.regs
    kept = [name for name in (*GENERAL, "rsp", "rflags", "fs_base") if name not in CHANGED]
    compare(values(regs, kept), values(before, kept), where)
    equal(regs.rax, result, f"{where}: RAX, what the handler returned,")
    equal(regs.rcx, before.rip + 2, f"{where}: RCX, which SYSRET needs for RIP,")
    equal(regs.r11, flags, f"{where}: R11, which SYSRET needs for RFLAGS,")
    equal((regs.cs, regs.ss), (USER_CS, USER_SS), f"{where}: CS and SS")
    gs_in_program(m, before.gs_base, where)
    equal(frame_address(m), 0, f"{where}: percpu.frame",
          "it tells whether a system call is being served")


def whole_call(guest: Guest, number: int, rsp: int, flags: int) -> None:
    """A system call from ring 3 and back, with a handler that uses up what C may."""
    m = guest.m
    before = syscall(guest, number, rsp, flags)
    around = neighbourhood(m, rsp)
    m.run_to(HANDLER)
    result = guest.rng.getrandbits(64)
    give_back(m, guest.rng, rax=result)
    guest.come_back(guest.program.syscall + 2, f"system call {number} with RSP {rsp:#x}")
    check_return(guest, before, result, flags)
    expect(neighbourhood(m, rsp) == around, f"with RSP {rsp:#x} the kernel wrote to memory there",
           "the kernel never uses the program's RSP as its stack")


def neighbourhood(machine: Machine, address: int) -> bytes:
    """What lies below an address of the kernel's, where a push would write."""
    if address < KERNEL_BASE or not machine.memory.walk(address):
        return b""
    return machine.memory.read(address - 32, 32)


def single_step(guest: Guest, number: int) -> None:
    """TF set: the kernel is not stepped, and the program is, afterwards. So it is too on a
    processor that looks at TF before SYSCALL has cleared it: then a #DB comes in the kernel."""
    m = guest.m
    syscall(guest, number, USER_END, FIXED | IF | TF)
    m.run_to("syscall_entry")
    m.set_regs(rflags=m.regs.rflags | TF)
    m.run_to(HANDLER)
    equal(len([each for each in m.events if (each.vector, each.cpl) == (VECTOR_DB, 0)]), 1,
          "the number of #DB in ring 0 after one with TF at syscall_entry", KERNELS)
    flags_clear(m.regs, NOT_IN_C, "at the handler of a system call with TF set")
    equal(debug_status(m), DR6_NOTHING, "DR6 after a #DB that the kernel has handled", KERNELS)
    kernels_breakpoint(guest)
    give_back(m, guest.rng)
    m.run_to("process_kill")
    event = next(each for each in reversed(m.events) if each.vector != layout.VECTOR_TIMER)
    equal((event.vector, event.cpl), (1, 3), "vector and ring of what the flag TF leads to")
    equal(m.regs.rdi, SIGTRAP, "the signal for it")


def kernels_breakpoint(guest: Guest) -> None:
    """trap() returns from a #DB of ring 0. RF is looked at in the frame: QEMU 7.2 ignores it."""
    m, place = guest.m, ist_top(guest.m, VECTOR_DB) - frame_size(guest.m)
    frame = {name: guest.rng.getrandbits(64) for name in TRAP_FRAME.fields}
    frame.update(vector=VECTOR_DB, error=0, cs=KERNEL_CS, ss=KERNEL_SS,
                 rflags=random_flags(guest.rng, *HOSTILE) | TF)
    write_frame(m, place, frame)
    m.call("trap", place)
    after = read_frame(m, place)
    equal(after.pop("rflags"), frame.pop("rflags") & ~TF | RF, "RFLAGS of a #DB of ring 0 when "
          "trap() returns: without TF, and with RF, or a breakpoint strikes for ever,", KERNELS)
    compare(after, frame, "the frame of a #DB of ring 0 when trap() returns", KERNELS)


def debug_status(machine: Machine) -> int:
    """DR6, which gdb does not show."""
    found = re.search(r"DR6=([0-9a-f]+)", machine.session.qmp.monitor("info registers"))
    assert found
    return int(found[1], 16)


def check_xmm(guest: Guest, number: int) -> None:
    """The kernel leaves XMM0 to XMM15 alone."""
    m, data = guest.m, guest.program.data
    code = assemble("\n".join([*(f"movups xmm{i}, [rbx + {16 * i}]" for i in range(16)), "syscall",
                               *(f"movups [rbx + {PAGE + 16 * i}], xmm{i}" for i in range(16)),
                               "done: jmp done"]), guest.program.spare, ["done"])
    m.memory.poke_code(guest.program.spare, code.bytes)
    guest.plant(rip=guest.program.spare, rax=number, rbx=data, rflags=FIXED | IF)
    m.run_to(HANDLER)
    give_back(m, guest.rng)
    guest.come_back(code.labels["done"], "a system call")
    equal(m.memory.read(data + PAGE, 256).hex(), guest.program.contents[:256].hex(),
          "XMM0 to XMM15 after a system call")
    assert DATA_PAGES > 1


def on_the_way(guest: Guest, number: int) -> None:
    """Step through entry and exit. Before each instruction an NMI and a #DB; and where GS or RSP
    is the program's, interrupts must be off."""
    m = guest.m
    whole_call(guest, number, guest.rng.getrandbits(64), FIXED)
    m.mask_devices()
    before = syscall(guest, number, guest.rng.getrandbits(64), random_flags(guest.rng, *HOSTILE))
    m.step()
    walk(guest, before, m.sym(HANDLER), "on the way in")
    result = guest.rng.getrandbits(64)
    give_back(m, guest.rng, rax=result)
    walk(guest, before, 3, "on the way out")
    check_return(guest, before, result, before.rflags)


def walk(guest: Guest, before: Registers, until: int, what: str) -> None:
    """Step until an address, or ring 3, is come to."""
    m = guest.m
    for _ in range(MOST_STEPS):
        regs = m.regs
        if regs.rip == until or regs.cpl == until:
            return
        where = f"{m.where(regs.rip)}, {what}"
        if regs.rsp == before.rsp or regs.gs_base == before.gs_base:
            flags_clear(regs, (IF,), f"at {where}, where RSP or GS is the program's",
                        "an interrupt would use it: sti comes later, cli earlier")
        strike_here(m, guest.rng, before.gs_base, where)
        m.step()
    raise too_long(what)


def bad_returns(machine: Machine, rng: Random) -> list[int]:
    """Where SYSRET must not be sent."""
    return [1 << 47, 1 << 48, 1 << 63, 1 << rng.randrange(49, 63) | rng.getrandbits(40),
            0xFFFF_8000_0000_0000, machine.sym("kmain")]


def check_last_page(guest: Guest) -> None:
    """Behind a SYSCALL at the end of the lower half SYSRET would go to 2^47."""
    frame = guest.m.sym("probe_data") + PAGE
    error = guest.m.call.error("address_space_add_page", guest.root, USER_END, 0, frame)
    expect(error != "OK", f"a page can be mapped at {USER_END:#x}, the last one below 2^47",
           "an error: no program can have that page")


def return_to(guest: Guest, number: int, rip: int) -> None:
    """While a call is being served, something has changed where the program goes on."""
    m = guest.m
    before = syscall(guest, number, guest.rng.getrandbits(64), FIXED | IF)
    m.run_to(HANDLER)
    write_frame(m, frame_address(m), {"rcx": rip}, SYSCALL_FRAME)
    give_back(m, guest.rng)
    events = len([each for each in m.events if each.vector < 32])
    where = m.run_to("syscall_bad_return", "boot_return_to_kernel", "trap_unexpected")
    expect(where == m.sym("syscall_bad_return"),
           f"with RIP {rip:#x} in the frame, SYSRET is executed", "syscall_bad_return is called: "
           "on an Intel processor that SYSRET faults in ring 0, on the program's stack")
    gs_in_kernel(m, before.gs_base, "at syscall_bad_return")
    m.run_to("boot_return_to_kernel")
    equal(m.regs.rdi, SIGSEGV, f"the signal for a return to {rip:#x}")
    equal(len([each for each in m.events if each.vector < 32]), events,
          f"the number of exceptions, for a return to {rip:#x},")


def run_inside(guest: Guest, number: int) -> None:
    """The handler runs another program to its end, and then returns."""
    m, flags = guest.m, random_flags(guest.rng, *HOSTILE)
    before = syscall(guest, number, guest.rng.getrandbits(64), flags)
    m.run_to(HANDLER)
    served, root = frame_address(m), guest.root
    call = m.call.begin("programs_run_one", m.sym("probe_data"))
    visit = Visit(guest, "nested")
    visit.begin()
    visit.enter()
    equal(frame_address(m), 0, "percpu.frame while a program runs inside another's system call")
    exit_by_syscall(guest)
    visit.end()
    m.call.end(call)
    guest.root = root
    equal(frame_address(m), served, "percpu.frame after a program that ran inside a system call")
    equal(m.call("get_saved_user_rsp"), before.rsp, "get_saved_user_rsp() after that")
    result = guest.rng.getrandbits(64)
    give_back(m, guest.rng, rax=result)
    guest.come_back(guest.program.syscall + 2, "the outer program's system call")
    check_return(guest, before, result, flags)


def numbers(rng: Random) -> Iterator[int]:
    """Numbers that nobody serves."""
    yield from (SYSCALL_LIMIT, SYSCALL_LIMIT + 1, -1, -2, -SYSCALL_LIMIT, 1 << 31, (1 << 32) - 1,
                WORD - (1 << 31) + SYS_getpid,
                rng.getrandbits(64) | SYSCALL_LIMIT, rng.choice((2, 3, 300, 400, 511)))


def halves(number: int) -> Iterator[int]:
    """RAX with this number, which is EAX, and something above it."""
    yield from (high | number for high in (1 << 32, 1 << 61, 1 << 63, WORD - (1 << 32)))
