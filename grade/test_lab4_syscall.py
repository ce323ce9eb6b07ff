"""Lab 4: system calls, and a way back from ring 3. What earns points.

A student's kernel is complete up to some exercise and stops at the next one. So every check enters
ring 3 with what is there by then: at first by the grader's own hand, then through a program of the
grader's that makes its system calls by int 0x80, and at last by SYSCALL. The tools are in
grade/lab4/."""

from __future__ import annotations

from grade.check import check
from grade.lab import Lab
from grade.lab4 import boot_return, copies, entries, many_programs, msrs, services, syscalls
from grade.lab4.copies import Copies
from grade.lab4.entries import gs_in_program
from grade.lab4.puppet import guest, skip_baseline
from grade.lab4.boot_return import Visit
from grade.machine import layout
from grade.machine.frames import count_free
from grade.machine.layout import CR4_SMAP, CR4_SMEP, ENOSYS, PAGE, SYS_getpid, USER_END
from grade.machine.paging import NO_EXECUTE, WRITABLE
from grade.machine.state import IST, give_back, random_flags, user_base
from grade.outcome import equal, expect

# ---- Exercise 4.1: GS at interrupts ----------------------------------------------------------


@check("T4.1", title="An interrupt finds the kernel's GS, and the program its own afterwards",
       points=8, exercise="4.1", debug_at="trap",
       hint="isr_common in isr.asm: at which offset is the frame's CS, what do its lowest two bits "
            "say, and is SWAPGS executed on the way in and on the way out, once each? "
            "SDM vol. 2B, SWAPGS; `info registers gs_base k_gs_base` in gdb")
def test_interrupts(lab: Lab) -> None:
    """From ring 3 and from ring 0, with every register random."""
    with guest(lab) as visitor:
        visitor.invade("init_syscall")
        with entries.stopping(visitor.m, "trap"):
            for place in entries.places(visitor):
                if place.ordinary:
                    for trap in entries.traps(place.cs & 3):
                        entries.through(visitor.m, lab.rng, place, trap)


@check("T4.2", title="#DB, NMI, #DF and #MC find the kernel's GS at any instruction",
       points=7, exercise="4.1", debug_at="trap",
       hint="isr_any_time in isr.asm: these can strike in ring 0 before the SWAPGS of another "
            "entry, so CS does not tell. Ask MSR_GS_BASE (RDMSR: EDX has the upper half), and "
            "remember the answer over the call in a register that C preserves")
def test_any_time(lab: Lab) -> None:
    """Before every instruction of an interrupt's way into the kernel and out again."""
    with guest(lab) as visitor:
        visitor.invade("init_syscall")
        m, users = visitor.m, user_base(lab.rng)
        with entries.stopping(m, "trap"):
            for place in entries.places(visitor):
                for vector in IST:
                    entries.deliver(m, lab.rng, place, vector)
        visitor.enter()
        visitor.plant(rip=visitor.program.int80, gs_base=users)
        m.step()
        entries.strike_at_each(m, lab.rng, users, m.sym("trap"), "on int 0x80's way in")
        give_back(m, lab.rng)
        entries.strike_at_each(m, lab.rng, users, 3, "on int 0x80's way out")
        gs_in_program(m, users, "after int 0x80")


# ---- Exercise 4.2: the MSRs -------------------------------------------------------------------


@check("T4.3", title="STAR, LSTAR, SFMASK, EFER and KERNEL_GS_BASE get what SYSCALL needs",
       points=6, exercise="4.2", debug_at="init_syscall",
       hint="init_syscall in syscall_setup.c: SDM vol. 2B, SYSCALL and SYSRET, say which bits of "
            "STAR become which selector. The grader looks at every WRMSR as it is executed")
def test_msrs(lab: Lab) -> None:
    """Each value at its WRMSR, DF too, which QEMU hides; a panic if STAR does not fit the GDT."""
    with guest(lab, msrs=True) as visitor:
        m = visitor.m
        m.run_to("init_syscall")
        m.msr_writes.clear()
        m.run_to("user_memory_init")
        msrs.check_writes(m)
        msrs.check_now(m)
    with guest(lab) as visitor:
        m = visitor.m
        m.run_to("init_syscall")
        msrs.exchange_gdt_entries(m)
        m.run_to_exit(layout.EXIT_PANIC)


@check("T4.4", title="SYSCALL and SYSRET go where they should, whatever the flags", points=4,
       exercise="4.2", debug_at="init_syscall",
       hint="init_syscall: EFER.SCE, LSTAR and both halves of STAR; a flag that is still set in "
            "the kernel is missing in SFMASK. Stop at syscall_entry and look at cs, ss, rcx, r11")
def test_syscall_instruction(lab: Lab) -> None:
    """A step over SYSCALL in ring 3, and one over SYSRET, cannot be faked."""
    with guest(lab) as visitor:
        visitor.invade("user_memory_init")
        for _ in range(12):
            msrs.call(visitor, lab.rng)
        msrs.sysret(visitor, lab.rng)


# ---- Exercise 4.3: into ring 3 and back -------------------------------------------------------


@check("T4.5", title="enter_usermode_returnable returns, and nothing has changed for its caller",
       points=8, exercise="4.3", debug_at="boot_return_to_kernel",
       hint="boot_return.asm: every slot of the record must be taken off again, in the opposite "
            "order, and into the place that it came from. Draw the record; stop at "
            "boot_return_to_kernel and compare x/16gx boot_return_rsp with it")
def test_return(lab: Lab) -> None:
    """Saved registers, flags, CR3, GS and globals, on the way in and back, four times."""
    with guest(lab, programs=4) as visitor:
        skip_baseline(visitor.m)
        for ordinal in ("first", "second", "third", "fourth"):
            visit = Visit(visitor, ordinal)
            visit.begin()
            visit.enter()
            boot_return.exit_by_int80(visitor)
            visit.end()


@check("T4.6", title="There is a way back from every place: a fault, an interrupt, an NMI",
       points=5, exercise="4.3", debug_at="boot_return_to_kernel",
       hint="boot_return_to_kernel may be called on any stack, with interrupts on or off, in any "
            "address space: what does it take for granted? GS_BASE is the kernel's when it is "
            "called, whatever way led there")
def test_ways_out(lab: Lab) -> None:
    """Killed by #UD, #GP, #DE, in the timer's interrupt, in an NMI on the IST stack."""
    with guest(lab, programs=len(boot_return.WAYS)) as visitor:
        skip_baseline(visitor.m)
        for way in lab.rng.sample(boot_return.WAYS, len(boot_return.WAYS)):
            visit = Visit(visitor)
            visit.begin()
            visit.enter()
            way(visitor)
            visit.end()


@check("T4.7", title="Programs can be run in the middle of another's system call", points=5,
       exercise="4.3", debug_at="enter_usermode_returnable",
       hint="each record must keep what the one before it needs: boot_return_rsp, boot_return_cr3, "
            "kernel_rsp, the program's FS and GS bases. A global that is set to 0 on the way back "
            "forgets the outer call")
def test_nested(lab: Lab) -> None:
    """Four calls deep, each level with its own way out."""
    with guest(lab, probe=True) as visitor:
        skip_baseline(visitor.m)
        visitor.m.call("programs_get", 0, visitor.m.sym("probe_data"))
        visit = Visit(visitor, "outermost")
        visit.begin()
        visit.enter()
        boot_return.nest(visitor, 2)
        boot_return.exit_by_int80(visitor)
        visit.end()


@check("T4.8", title="A smashed canary is noticed, in the record and in the global, and reported",
       points=4, exercise="4.3", debug_at="boot_return_to_kernel",
       hint="boot_return_to_kernel: compare both boot_stack_canary and the value at "
            "boot_return_rsp with BOOT_CANARY_MAGIC, before anything is taken off the record; RDI "
            "and RSI are what "
            "boot_return_smashed prints")
def test_canary(lab: Lab) -> None:
    """Each of the two copies of the canary alone; and a return without any call."""
    for where in ("record", "global"):
        with guest(lab) as visitor:
            visitor.start()
            value = boot_return.smash(visitor, where)
            boot_return.exit_by_int80(visitor)
            visitor.m.run_to("boot_return_to_kernel")
            boot_return.check_report(visitor.m, value)
    with guest(lab) as visitor:
        visitor.m.run_to("programs_baseline")
        visitor.m.call.begin("boot_return_to_kernel", 0)
        boot_return.check_report(visitor.m, 0)


@check("T4.9", title="A hundred programs run one after the other, and no frame is lost", points=3,
       exercise="4.3", debug_at="boot_return_to_kernel",
       hint="each program must find the kernel as the first one found it. If frames are lost: is "
            "the stack, or the address space, that is given back the one that was used?")
def test_hundred_programs(lab: Lab) -> None:
    """Exits, faults, and files that are none; the kernel's half is the same in each."""
    programs = [many_programs.small(lab.rng, number) for number in range(100)]
    with lab.boot(probe=True, modules=[each.module for each in programs]) as m:
        skip_baseline(m)
        m.run_to("programs_run")
        back, free = m.memory.u64(m.regs.rsp), count_free(m)
        for _ in range(5):
            m.run_to("enter_usermode_returnable")
            many_programs.check_shared(m)
        m.run_to(back)
        equal(count_free(m), free, "the number of free frames after 100 programs")
        m.console.expect_in_order([each.line for each in programs])
        m.run_to_exit(layout.EXIT_OK)


# ---- Exercise 4.4: safe copies ----------------------------------------------------------------


@check("T4.10", title="Copies reach all of a program's memory, and nothing beyond it", points=5,
       exercise="4.4", debug_at="copy_from_user",
       hint="is_user_range in user_memory.c: start + size can wrap around, so compare size with "
            "what is left between start and USER_END. Without that check the processor will "
            "happily read the kernel's memory for the program: it runs in ring 0")
def test_ranges(lab: Lab) -> None:
    """Ranges of which every byte counts, USER_END, wrap-around."""
    with guest(lab, probe=True) as visitor:
        visitor.start()
        tried = Copies(visitor)
        tried.page(USER_END - PAGE, WRITABLE | NO_EXECUTE)
        for copy in (*copies.inside(visitor, lab.rng),
                     *copies.outside(tried.buffer, tried.m.sym("percpu"), lab.rng)):
            tried.from_user(copy)
            tried.to_user(copy)


@check("T4.11", title="A fault in the middle of a copy ends the copy, and harms nobody", points=6,
       exercise="4.4", debug_at="user_copy",
       hint="on_page_fault in user_memory.c: RIP tells whether it was user_copy's access; then "
            "either the page can be had (user_stack_grow, and only if the page was not present) or "
            "the copy goes on at user_copy_faulted. It returns what is left, not what is done")
def test_faults(lab: Lab) -> None:
    """Exact counts, the stack that grows, and a fault of the kernel's own is still a panic."""
    with guest(lab, probe=True) as visitor:
        visitor.start()
        tried = Copies(visitor)
        for copy in copies.broken(tried, lab.rng):
            tried.from_user(copy)
            tried.to_user(copy)
        for copy in copies.read_only(tried, lab.rng):
            tried.to_user(copy)
        for copy in copies.stack(lab.rng):
            lab.rng.choice((tried.from_user, tried.to_user))(copy)
            copies.check_grown(tried, copy)
        copies.check_other_faults(tried)


@check("T4.12", title="The baseline passes, programs write what they can read, or nothing runs",
       points=4, exercise="4.4", debug_at="copy_from_user",
       hint="write is yours from lab 3 and calls copy_from_user; programs_baseline in programs.c "
            "counts what `hello` wrote. `make run LAB=4` shows it")
def test_write(lab: Lab) -> None:
    """The baseline's lines in order; and with a baseline that cannot pass, nothing else runs."""
    with guest(lab) as visitor:
        m = visitor.m
        m.run_to("programs_run")
        m.console.expect_in_order(copies.BASELINE)
        m.run_to(visitor.program.entry)
        copies.check_write(visitor)
        equal(m.regs.cr4 & (CR4_SMEP | CR4_SMAP), CR4_SMEP | CR4_SMAP,
              "SMEP and SMAP in CR4 while programs run")
    with guest(lab) as visitor:
        m = visitor.m
        m.run_to("programs_baseline")
        copies.spoil_baseline(m)
        expect(m.run_to("programs_run", "panic") == m.sym("panic"),
               "programs_run is called although the baseline's program was killed",
               "a panic: if the baseline fails, nothing else is run")
        m.run_to_exit(layout.EXIT_PANIC)


# ---- Exercise 4.5: SYSCALL --------------------------------------------------------------------


@check("T4.13", title="A system call's handler gets its six arguments, and the frame is complete",
       points=7, exercise="4.5", debug_at="syscall_entry",
       hint="syscall_entry: compare x/16gx $rsp with struct syscall_frame when all is pushed. The "
            "fourth argument comes in R10, since RCX is RIP; the sixth is C's sixth as well")
def test_handler(lab: Lab) -> None:
    """The grader's own handler looks at its arguments, its stack, the frame and percpu."""
    with guest(lab) as visitor:
        visitor.start()
        number = syscalls.hook(visitor.m, lab.rng)
        for rsp in syscalls.stack_pointers(visitor.m, lab.rng):
            flags = random_flags(lab.rng, *syscalls.HOSTILE)
            before = syscalls.syscall(visitor, number, rsp, flags)
            visitor.m.run_to(syscalls.HANDLER)
            syscalls.check_handler(visitor, before)
            give_back(visitor.m, lab.rng)
            visitor.come_back(visitor.program.syscall + 2, "a system call")


@check("T4.14", title="A system call changes RAX, RCX and R11, and nothing else", points=6,
       exercise="4.5", debug_at="syscall_entry",
       hint="syscall_entry, the way out: everything is popped in the opposite order, the program's "
            "RSP comes last, from the frame. C changes all registers but rbx rbp r12-r15")
def test_registers(lab: Lab) -> None:
    """Hostile RSP and RFLAGS, XMM, a single step; no frame is named afterwards."""
    with guest(lab) as visitor:
        visitor.start()
        number = syscalls.hook(visitor.m, lab.rng)
        for rsp in syscalls.stack_pointers(visitor.m, lab.rng):
            syscalls.whole_call(visitor, number, rsp, random_flags(lab.rng, *syscalls.HOSTILE))
        syscalls.check_xmm(visitor, number)
        syscalls.single_step(visitor, number)


@check("T4.15", title="Numbers that nobody serves are -ENOSYS; those that are served do their work",
       points=4, exercise="4.5", debug_at="syscall_entry",
       hint="syscall_entry: the number is EAX, whatever RAX's upper half holds, and has no sign: "
            "compare it with SYSCALL_LIMIT and jump with jae, before the table is read")
def test_numbers(lab: Lab) -> None:
    """The table is never left; getpid, sched_yield, brk, clock_gettime, writev, write."""
    with guest(lab) as visitor:
        visitor.start()
        for number in syscalls.numbers(lab.rng):
            for by in ("syscall", "int80"):
                equal(visitor.ask(number, by=by), -ENOSYS, f"system call {number:#x} by {by}")
        for number in syscalls.halves(SYS_getpid):
            for by in ("syscall", "int80"):
                equal(visitor.ask(number, by=by), visitor.ask(SYS_getpid),
                      f"getpid, with {number:#x} in RAX, by {by}")
        services.check_all(visitor)


@check("T4.16", title="A system call that does not return ends well: exit, and a RIP that is none",
       points=4, exercise="4.5", debug_at="syscall_bad_return",
       hint="syscall_entry: bits 47 to 63 of the RIP in the frame must all be 0, not only one. And "
            "what must be true of percpu.frame and GS when a program ends in a system call?")
def test_ends(lab: Lab) -> None:
    """exit, exit_group, a page fault, a nested program, and CVE-2012-0217."""
    with guest(lab, probe=True, programs=12) as visitor:
        m = visitor.m
        skip_baseline(m)
        m.call("programs_get", 0, m.sym("probe_data"))
        number = syscalls.hook(m, lab.rng)
        for way in (boot_return.exit_by_syscall, boot_return.exit_group, boot_return.page_fault):
            visit = Visit(visitor)
            visit.begin()
            syscalls.check_last_page(visitor)
            visit.enter()
            way(visitor)
            visit.end()
            equal(syscalls.frame_address(m), 0, "percpu.frame when the program has ended")
        m.run_to(visitor.program.entry)
        syscalls.run_inside(visitor, number)
        for rip in syscalls.bad_returns(m, lab.rng):
            syscalls.return_to(visitor, number, rip)
            m.run_to(visitor.program.entry)


@check("T4.17", title="An NMI or a #DB before any instruction of syscall_entry does no harm",
       points=4, exercise="4.5", debug_at="syscall_entry",
       hint="syscall_entry: interrupts stay off as long as RSP or GS is the program's, on the "
            "way in and on the way out; exactly one SWAPGS each way, next to where RSP changes")
def test_nmi(lab: Lab) -> None:
    """Between SYSCALL and its SWAPGS, and right before SYSRET."""
    with guest(lab) as visitor:
        visitor.start()
        syscalls.on_the_way(visitor, syscalls.hook(visitor.m, lab.rng))


# ---- Exercise 4.6: arch_prctl -----------------------------------------------------------------


@check("T4.18", title="arch_prctl sets and tells the FS and the GS base", points=5, exercise="4.6",
       debug_at="sys_arch_prctl",
       hint="sys_arch_prctl: the program's GS base is in KERNEL_GS_BASE while the kernel runs, for "
            "SWAPGS has put it there; FS_BASE is never exchanged")
def test_arch_prctl(lab: Lab) -> None:
    """By SYSCALL and by int 0x80, kept over system calls, none left for the next program."""
    with guest(lab, programs=2) as visitor:
        visitor.start()
        for _ in range(6):
            services.set_and_get(visitor)
        visitor.leave()
        visitor.m.run_to(visitor.program.entry)
        regs = visitor.m.regs
        equal((regs.fs_base, regs.gs_base), (0, 0), "FS and GS base of the next program")


@check("T4.19", title="arch_prctl refuses what could hurt the kernel", points=3, exercise="4.6",
       debug_at="sys_arch_prctl",
       hint="sys_arch_prctl: a base at or above USER_END is -EPERM, before any WRMSR; "
            "copy_to_user says how many bytes of the answer could be written")
def test_arch_prctl_refuses(lab: Lab) -> None:
    """Bases that are none, pointers that are none, codes that are none."""
    with guest(lab) as visitor:
        visitor.start()
        services.refused(visitor)


@check("T4.20", title="The programs of the kernel image, and the monitor, do what they promise",
       points=2, exercise="4.6", debug_at="monitor",
       hint="`make run LAB=4` shows the programs, and `make run LAB=4 CMDLINE=monitor` the "
            "monitor. memory.c uses brk, a deep stack and thread-local storage by arch_prctl")
def test_monitor(lab: Lab) -> None:
    """hello, memory and crash, and each of the monitor's commands."""
    with lab.boot(probe=True, cmdline="monitor") as m:
        services.check_monitor(m, lab.rng, lab.kernel.parent / "user")
