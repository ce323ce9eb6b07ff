"""Lab 5: processes: fork, copy on write, wait, exec. What earns points.

A student's kernel stops at the first exercise that is not written. So processes are made and moved
by the grader's hand as far as must be: a puppet's system call is held in the kernel, and the
functions of the exercise are called from there. The tools are in grade/lab5/."""

from __future__ import annotations

from grade.check import check
from grade.lab import Lab
from grade.lab5 import (children, copy_on_write, execve, fork, kill, pipes, services, switch,
                        user_state, wait4)
from grade.lab5.children import Twins
from grade.lab5.processes import OFF, Failing, family, stop_deadlocks, watch_queue
from grade.lab5.copy_on_write import Halves, Side, Write
from grade.machine import Limits, layout
from grade.machine.layout import EAGAIN, EFAULT, ENOMEM, PAGE, SIGKILL, SIGSEGV, SYS_clock_gettime
from grade.outcome import equal, expect

PATIENT = Limits(cpu=8.0)  # for programs that run by themselves

# ---- Exercise 5.1: copy on write ---------------------------------------------------------------


@check("T5.1", title="A copy of an address space has the same frames, and nobody can write them",
       points=5, exercise="5.1", debug_at="clone_address_space",
       hint="share_page in cow.c: the parent's entry changes first, then the child's becomes the "
            "same, and the frame counts one more place. A page that an earlier fork shared is not "
            "writable, and is PTE_COW: it stays so")
def test_clone(lab: Lab) -> None:
    """Both tables walked, counts, a second generation, the end."""
    with family(lab) as f:
        f.begin()
        copy_on_write.plant_code(f)
        f.into_kernel()
        pages = copy_on_write.enrich(f)
        root, free = f.m.regs.cr3, f.count_free()
        before = copy_on_write.user_half(f, root)
        f.back()
        for va in pages:
            copy_on_write.store(f, va, f.rng.getrandbits(64))  # the TLB knows it as writable
        f.into_kernel()
        child = copy_on_write.clone(f, root)
        Halves(before, copy_on_write.user_half(f, root), copy_on_write.user_half(f, child)).check()
        copy_on_write.check_tables(f, root, child)
        copy_on_write.check_counts(f, before, True, "after clone_address_space")
        grandchild = copy_on_write.clone(f, child)
        f.m.set_regs(cr3=root)
        Halves(before, copy_on_write.user_half(f, child),
               copy_on_write.user_half(f, grandchild)).check()
        for each, shared in ((child, True), (grandchild, False)):
            f.m.call("address_space_destroy", each)
            copy_on_write.check_counts(f, before, shared,
                                       "after an address space has been destroyed")
        equal(f.count_free(), free, "the number of free frames when both copies are destroyed")


@check("T5.2", title="Who writes to a shared page gets one of its own, and the last owner keeps it",
       points=7, exercise="5.1", debug_at="copy_on_write",
       hint="copy_on_write in cow.c: only an entry of level 1 that is present and PTE_COW; "
            "user_frame_is_shared says whether to copy; PTE_COW goes, PTE_WRITABLE comes; the TLB "
            "may hold what was there before. In gdb: `rung-walk ADDRESS` before, after")
def test_copy(lab: Lab) -> None:
    """From either side, by ring 3 and by the kernel; read-only pages stay what they are."""
    with family(lab) as f:
        f.begin()
        copy_on_write.plant_code(f)
        f.into_kernel()
        pages = copy_on_write.enrich(f, 6)
        root = f.m.regs.cr3
        copy_on_write.refuses(f, root)
        f.back()
        for va in pages:
            copy_on_write.store(f, va, f.rng.getrandbits(64))
        f.into_kernel()
        sides = [Side("the parent", root), Side("the child", copy_on_write.clone(f, root))]
        f.back()
        copy_on_write.faults(f, pages[-3])
        for va in f.rng.sample(pages[:-3], len(pages) - 3):
            writer, other = f.rng.sample(sides, 2)
            Write(f, writer, other, va).first()
            Write(f, other, writer, va).last()
        copy_on_write.kernel_writes(f, root, sides[1].root, f.program.data + 2 * PAGE)
        f.into_kernel()
        third = copy_on_write.clone(f, root)
        f.back()
        copy_on_write.be(f, root)
        copy_on_write.check_freshness(f, root, pages[0])
        copy_on_write.be(f, third)
        copy_on_write.killed(f, f.program.constants + 16, SIGSEGV,
                             "a write to a page that can only be read, after a fork")


@check("T5.3", title="Without memory for a table or a copy nothing is lost, and nothing is broken",
       points=3, exercise="5.1", debug_at="copy_on_write",
       hint="copy_on_write: frame_alloc before anything changes; if it fails, the page stays "
            "shared and ERROR_NO_FRAMES is returned")
def test_no_memory(lab: Lab) -> None:
    """Every frame_alloc of a clone and of a copy fails once; the program ends as on Linux."""
    with family(lab) as f:
        f.begin()
        copy_on_write.plant_code(f)
        f.into_kernel()
        copy_on_write.enrich(f, 3)
        copy_on_write.clone_without_memory(f)
    with family(lab) as f:
        f.begin()
        copy_on_write.plant_code(f)
        f.into_kernel()
        root = f.m.regs.cr3
        child, va, free = copy_on_write.clone(f, root), f.program.data, f.count_free()
        failing = Failing(f.m)
        failing.left = 1
        equal(f.m.call.error("copy_on_write", root, va), "ERROR_NO_FRAMES",
              "the error of copy_on_write when its frame_alloc fails")
        expect(copy_on_write.page(f, root, va).frame == copy_on_write.page(f, child, va).frame
               and copy_on_write.is_shared(f, copy_on_write.page(f, root, va).frame)
               and f.count_free() == free,
               "copy_on_write failed, and the page is not shared any more", "nothing has changed")
        f.back()
        failing.left = 1
        equal(f.ask(SYS_clock_gettime, 1, va), -EFAULT,
              "clock_gettime to a shared page when there is no frame for the copy")
        copy_on_write.store(f, va + PAGE, 1)
        failing.left = 1
        copy_on_write.killed(f, va, SIGKILL,
                             "a write to a shared page without a frame for a copy")


# ---- Exercise 5.2: the child's registers -------------------------------------------------------


@check("T5.4", title="A child's registers are those of the system call being served, and RAX is 0",
       points=8, exercise="5.2", debug_at="capture_registers",
       hint=fork.HINT + ". `p *percpu.frame` in gdb, and `p *registers` afterwards")
def test_capture(lab: Lab) -> None:
    """From both frames, every register and flag random."""
    with family(lab) as f:
        f.begin()
        for by, before in fork.entries(f):
            fork.check_capture(f, by, before)


@check("T5.5", title="fork makes a process, with a kernel stack on which its registers lie",
       points=7, exercise="5.2", debug_at="process_fork",
       hint="prepare_stack in fork.c: from the top down the registers, the address of "
            "forked_child_starts, six words for switch_stacks; switch_rsp is the lowest of them")
def test_prepare(lab: Lab) -> None:
    """Its place in the table, its memory, its stack: that one is taken up by switch_stacks."""
    for by in fork.WAYS:
        with family(lab) as f:
            f.begin()
            fork.skip_user_state(f)
            for _ in range(2):
                before = f.into_kernel(by, **fork.random_state(f))
                fork.grow_heap(f)
                child = f.fork()
                fork.check_process(f, child)
                fork.check_layout(f, child)
                f.back()
            f.into_kernel(by, rflags=OFF)
            fork.take_up_stack(f, by, before, child)


@check("T5.6", title="Where fork cannot be, it is refused, and everything is given back", points=5,
       exercise="5.2", debug_at="process_fork",
       hint="process_fork gives back what it has taken before an error; sys_fork makes -EAGAIN of "
            "no place in the table, -ENOMEM of no memory. `p frames_free()` in gdb counts")
def test_refused(lab: Lab) -> None:
    """Before there is any process; each allocation fails once; MAX_PROCESSES; memory that runs
    out; numbers that begin again."""
    fork.check_early(lab)
    with family(lab) as f:
        f.begin()
        fork.skip_user_state(f)
        frames = fork.fork_without_memory(f, f.into_kernel(rflags=OFF))
        expect(frames > 8, f"process_fork takes {frames - 1} frames", "a stack and tables")
        fork.check_numbers(f)
    with family(lab, memory=128) as f:
        f.begin()
        fork.skip_user_state(f)
        count, error = fork.bomb(f)
        expect(count >= 255, f"{count} forks, then fork returns {error}",
               "256 processes or more at once")
        fork.check_refusal(f, error, -EAGAIN, "with a full process table")
    with family(lab, memory_map=fork.SMALL) as f:
        f.begin()
        fork.skip_user_state(f)
        _, error = fork.bomb(f)
        fork.check_refusal(f, error, -ENOMEM, "when memory has run out")


# ---- Exercise 5.3: what belongs to ring 3 ------------------------------------------------------


@check("T5.7", title="save_user_state keeps FPU, SSE, bases and selectors of the program", points=4,
       exercise="5.3", debug_at="save_user_state",
       hint="save_user_state in scheduler.c: FXSAVE, MSR_FS_BASE, MSR_KERNEL_GS_BASE, four "
            "selectors; `p *user` in gdb when it returns")
def test_save(lab: Lab) -> None:
    """Every part random, taken on by a program."""
    with family(lab) as f:
        f.begin()
        for _ in range(4):
            user_state.check_saved(f)


@check("T5.8", title="load_user_state puts them back, and the kernel's GS stays", points=3,
       exercise="5.3", debug_at="load_user_state",
       hint="load_user_state in scheduler.c: a selector that is loaded changes the base, so the "
            "bases come after; GS is loaded between two SWAPGS, for GS_BASE is the kernel's")
def test_load(lab: Lab) -> None:
    """Seen by the program, by FXSAVE and in the registers."""
    with family(lab) as f:
        f.begin()
        for _ in range(4):
            user_state.check_loaded(f)


@check("T5.9", title="A child has the FPU, bases and selectors that its parent has when it forks",
       points=3, exercise="5.3", debug_at="process_fork",
       hint="copy_user_state in fork.c calls save_user_state: what was kept at the last switch may "
            "be old. It must write to the struct that it is given, and read the processor")
def test_inherit(lab: Lab) -> None:
    """TLS and SSE state included; nothing from the last switch."""
    with family(lab) as f:
        f.begin()
        for _ in range(3):
            user_state.check_inherited(f)


# ---- Exercise 5.4: wait ------------------------------------------------------------------------


@check("T5.10", title="wait4 tells which child has ended and how, once, and gives it back",
       points=8, exercise="5.4", debug_at="sys_wait4",
       hint="find_child and wait_for_child in fork_calls.c: a place that is in use, whose parent "
            "is current_process, and whose number was asked for; the number and the status must be "
            "read before process_free")
def test_reap(lab: Lab) -> None:
    """Exit statuses and signals, any child or a certain one; frames."""
    with family(lab) as f:
        f.begin()
        wait4.check_all_reaped(f)


@check("T5.11", title="wait4 waits for the child that was asked for, and for nothing less",
       points=6, exercise="5.4", debug_at="sys_wait4",
       hint="wait_for_child: look, and if nobody has ended sleep_on(current_process), in a loop: "
            "who is woken looks again. WNOHANG returns 0 instead")
def test_waiting(lab: Lab) -> None:
    """WNOHANG, wakeups for nothing, interrupts off until it sleeps."""
    with family(lab) as f:
        f.begin()
        wait4.check_waiting(f)


@check("T5.12", title="wait4 gives one's own children; orphans go to the first process; errors",
       points=6, exercise="5.4", debug_at="sys_wait4",
       hint="find_child: child->parent == current_process; wait_for_child: -ECHILD if no child is "
            "such as asked for; -EFAULT comes after process_free")
def test_whose(lab: Lab) -> None:
    """Grandchildren, orphans, ECHILD, EINVAL, EFAULT."""
    with family(lab) as f:
        f.begin()
        wait4.check_whose(f)
        wait4.check_errors(f)


# ---- Exercise 5.5: the switch ------------------------------------------------------------------


@check("T5.13", title="Before the stack is switched, all that the processor uses is the next one's",
       points=6, exercise="5.5", debug_at="switch_stacks",
       hint="switch_to in scheduler.c: CR3, TSS.rsp0 (set_kernel_stack), percpu.kernel_rsp, "
            "percpu.frame, load_user_state, current_process and its state; and what is current's "
            "is kept before")
def test_switch(lab: Lab) -> None:
    """To a new child and back, all of it random."""
    with family(lab) as f:
        f.begin()
        stage = switch.Stage(f, 1)
        for _ in range(4):
            stage.turn()


@check("T5.14", title="Processes take turns, and find everything as they left it", points=4,
       exercise="5.5", debug_at="switch_stacks",
       hint="switch_to: keep what is in the processor (save_user_state, percpu.kernel_rsp, "
            "percpu.frame) in the process that is left, each time: it may have changed since")
def test_turns(lab: Lab) -> None:
    """Round robin, with changes in between."""
    with family(lab) as f:
        f.begin()
        stage = switch.Stage(f, 3)
        for number in range(14):
            stage.turn()
            if number % 3:
                stage.change()
    for what, call in switch.POLLS.items():
        with family(lab) as f:
            f.begin()
            switch.check_poll(f, what, call)


# ---- Exercise 5.6: the child's first steps -----------------------------------------------------


@check("T5.15", title="enter_forked_child brings every register to ring 3", points=2,
       exercise="5.6", debug_at="enter_forked_child",
       hint="enter_forked_child in fork.asm: first the five words that IRETQ takes, then the "
            "registers, RDI last: it is the pointer; then LEAVE_TO_USER. Step with `si` and `info "
            "registers`")
def test_enter(lab: Lab) -> None:
    """All random, flags too."""
    with family(lab) as f:
        f.begin()
        for _ in range(6):
            f.into_kernel(rflags=OFF)
            children.check_entered(f)


@check("T5.16", title="Parent and child both return from fork, and differ in RAX only", points=2,
       exercise="5.6", debug_at="enter_forked_child",
       hint="compare `info registers` in the parent behind its system call with the child's at its "
            "first instruction in ring 3; TSS.rsp0 and percpu.kernel_rsp are the child's own")
def test_twins(lab: Lab) -> None:
    """By SYSCALL and by int 0x80."""
    with family(lab) as f:
        f.begin()
        for by in ("syscall", "int80", "syscall"):
            twins = Twins(f, by)
            twins.check_parent()
            child = twins.to_child()
            twins.check_child(child)
            twins.end_child()


@check("T5.17", title="Processes that never give way take turns, and share nothing they can write",
       points=2, exercise="5.6", debug_at="enter_forked_child",
       hint="everything that a process finds changed was another's: registers and FPU (5.2, 5.3, "
            "5.6), memory (5.1). The timer interrupts ring 3 and on_tick yields")
def test_preemption(lab: Lab) -> None:
    """At every switch, all page tables of all processes."""
    run = children.make(lab.rng, children.SPINNERS, children=4, rounds=6000000,
                        factor=0x10000001 + 2 * lab.rng.randrange(1 << 20))
    with lab.boot(probe=True, modules=[run.module], limits=PATIENT) as m:
        watch = children.Watch(m, run, 5)
        children.check_end(m, run, 6)
        watch.check()


@check("T5.18", title="A thousand children, eight generations, orphans: nothing is lost", points=2,
       exercise="5.6", debug_at="process_exit",
       hint="the report at the end counts processes and frames: what is not given back? Run it "
            "with `make debug` and look at frames_free() after each child")
def test_generations(lab: Lab) -> None:
    """Processes and frames are counted; the way back to boot is taken once, with the last one."""
    run = children.make(lab.rng, children.GENERATIONS, cycles=1000)
    with lab.boot(probe=True, modules=[run.module], limits=PATIENT) as m:
        children.check_end(m, run, 1 + 1 + 1000 + 8 + 2 + 1)
    with family(lab) as f:
        kill.check_unasked(f)


@check("T5.23", title="Who is killed executes nothing more in ring 3, wherever it was killed",
       points=2, exercise="5.6", debug_at="end_if_killed",
       hint="who is killed ends in schedule, when its turn comes, or in forked_child_starts if it "
            "has never run: neither may be left out by switch_to (5.5) or fork.asm (5.6)")
def test_killed(lab: Lab) -> None:
    """Asleep in each call that waits, yielding, preempted, never run; by both system calls."""
    with family(lab) as f:
        f.begin()
        kill.check_killed(f)


# ---- Exercise 5.7: exec ------------------------------------------------------------------------


@check("T5.19", title="execve makes another program of a process, and nothing of the old one stays",
       points=6, exercise="5.7", debug_at="sys_execve",
       hint="replace_image in exec.c: image_create, then CR3, then address_space_destroy of the "
            "old root, then the frame of the request; enter_image. `map` and `x/20gx $rsp` in gdb")
def test_exec(lab: Lab) -> None:
    """Registers, memory, stack, FPU, bases; files and number stay; frames."""
    one, two = execve.target(lab.rng), execve.target(lab.rng)
    with family(lab, one.module, two.module) as f:
        f.begin()
        execve.never_in_use(f)
        free: list[int] = []
        for to, by, counts in ((one, "syscall", (0, 0)), (two, "int80", (3, 2)),
                               (one, "syscall", (64, 40)), (two, "int80", (1, 0))):
            lists = [execve.texts(lab.rng, count) for count in counts]
            execve.replace(f, to, lists[0], lists[1], by)
            f.into_kernel(rflags=OFF)
            free.append(f.count_free())
            f.back()
        equal(free[2:], free[:2], "the number of free frames after each execve of a program, the "
              "second time")


@check("T5.20", title="An execve that fails leaves its caller whole", points=5, exercise="5.7",
       debug_at="sys_execve",
       hint="replace_image in exec.c: nothing of the old image may be touched before image_create "
            "has worked; its error goes through errno_for")
def test_exec_fails(lab: Lab) -> None:
    """ENOENT, ENOEXEC, E2BIG, EFAULT; ENOMEM at every allocation; frames conserved."""
    to = execve.target(lab.rng)
    with family(lab, to.module, *execve.broken(lab.rng)) as f:
        f.begin()
        unharmed = execve.Unharmed(f)
        for request, error, why in execve.requests(f, to.name):
            unharmed.refused(request, error, why)
        unharmed.end()
        execve.without_memory(f, to)


@check("T5.21", title="Pipes, signals and sleep as on Linux; the shell runs programs", points=2,
       exercise="5.7", debug_at="sys_execve",
       hint="`make run LAB=5` is the shell: what does it print, compared with what was typed?")
def test_shell(lab: Lab) -> None:
    """The given system calls one by one, and the shell that uses them."""
    with family(lab) as f:
        f.begin()
        watch_queue(f.m)
        services.check_files(f)
        services.check_sleep(f)
        services.check_kill(f)
        pipes.check_broken_pipes(f)
        pipes.check_pieces(f)
    run = children.make(lab.rng, services.PIPES)
    with lab.boot(probe=True, modules=[run.module]) as m:
        stop_deadlocks(m)
        watch_queue(m)
        children.check_end(m, run, 3)
    with lab.boot() as m:
        m.run_to("console_read")
        m.type(services.TYPED)
        m.run_to_exit(layout.EXIT_OK)
        for lines in (services.SHELL, *services.BROKEN_PIPE):
            m.console.expect_in_order(lines)


@check("T5.22", title="A program executed by a child leaves its parent's memory alone", points=2,
       exercise="5.7", debug_at="sys_execve",
       hint="replace_image destroys the address space of the process that runs; frames that are "
            "shared with its parent only lose one of their places (user_frame_release)")
def test_exec_after_fork(lab: Lab) -> None:
    """The frames that were shared are the other's alone, with its content."""
    to = execve.target(lab.rng)
    with family(lab, to.module) as f:
        f.begin()
        copy_on_write.plant_code(f)
        f.into_kernel(rflags=OFF)
        child = f.fork()
        before = copy_on_write.user_half(f, child.root)
        data = [each for each in before if not each.executable]  # the code we write over ourselves
        content = [f.m.phys.read(each.pa, PAGE) for each in data]
        f.back()
        for page in range(4):  # where the request is going to lie
            copy_on_write.store(f, f.program.data + page * PAGE, 1)
        execve.replace(f, to, ["a"], [], "syscall")
        f.into_kernel(rflags=OFF)
        equal(copy_on_write.user_half(f, child.root), before, "what the other process maps")
        equal([f.m.phys.read(each.pa, PAGE) for each in data] == content, True,
              "that the other process's memory is as it was")
        copy_on_write.check_counts(f, before, False, "after an execve")
