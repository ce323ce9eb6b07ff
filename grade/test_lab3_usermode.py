"""Lab 3: ring 3, programs, system calls by `int 0x80`, and faults that end only the program.

Each check stops the kernel where all that its exercise needs is done, and makes the rest itself:
so it judges one exercise, whatever the next ones are like. The tools are in grade/lab3/."""

from __future__ import annotations

from grade.check import check
from grade.lab import Lab
from grade.lab3.elf_files import (check_contents, check_rights, load_random, refuse_all,
                                  run_out_of_frames)
from grade.lab3.first_registers import check_fs_base, check_ticks, entrance, random_stack
from grade.lab3.first_stack import (Arguments, FirstStack, arguments_of, check_lines,
                                    random_arguments)
from grade.lab3.gates import Caller, check_gates, raise_from_ring3, unserved
from grade.lab3.stack_growth import (LIMIT, Stack, grow, guilty_kernel,
                                     guilty_though_not_by_the_u_bit, no_frames, no_stack, overflow)
from grade.lab3.hostile import FORGED, MEMORY, PRIVILEGED, Zoo
from grade.lab3.kernel import programs
from grade.lab3.kernel_stacks import (UD2, check_frame_place, check_own_stack, check_rsp0,
                                      check_too_early, copy_in_vain, copy_some, interrupted,
                                      use_stack)
from grade.lab3.ring3 import Visitor
from grade.lab3.sys_write import (check_embedded, end_program, refuse_writes, write_all_kinds,
                                  write_in_part, writer)
from grade.machine.layout import PAGE
from grade.outcome import equal


# 3.1: the way in by int 0x80


@check("T3.1", title="Ring 3 may raise int 0x80 and int3, and no other vector", points=4,
       exercise="3.1", debug_at="int80_init",
       hint="int80_init: which two gates get DPL 3? The others keep DPL 0, or a program could "
            "claim that an exception came which did not. SDM vol. 3A 6.12.1.1")
def test_gates(lab: Lab) -> None:
    """The 256 gates decoded, and raised from ring 3."""
    with programs(lab) as kernel:
        check_gates(kernel.m)
        raise_from_ring3(kernel, lab.rng)


@check("T3.2", title="int 0x80 hands over six arguments and brings back RAX, and nothing else",
       points=6, exercise="3.1", debug_at="on_int80",
       hint="on_int80: number in RAX, arguments in RDI RSI RDX R10 R8 R9, result into the frame's "
            "RAX. All other registers, RCX and R11 too, are the program's.")
def test_int80(lab: Lab) -> None:
    """Random registers in ring 3, compared there and in the function called."""
    with programs(lab) as kernel:
        caller = Caller(kernel, lab.rng)
        for number in lab.rng.sample(range(caller.numbers), 40):
            caller.serve(number)
        for number in unserved(caller, lab.rng):
            caller.refuse(number)


# 3.2: programs


@check("T3.3", title="Eighty broken program files are refused, each with its error", points=6,
       exercise="3.2", debug_at="elf_check",
       hint="check_segment in elf_check.c: the comment has the order. offset + size may be more "
            "than 2^64: compare with what is left, as lies_within does.")
def test_broken_files(lab: Lab) -> None:
    """Truncated, wrapping, overlapping, in the kernel's half, W+X, wrong entry."""
    with programs(lab) as kernel:
        refuse_all(kernel, lab.rng)
        run_out_of_frames(kernel)


@check("T3.4", title="A program's pages have exactly the rights of its segments", points=4,
       exercise="3.2", debug_at="load_elf",
       hint="page_flags in elf_load.c. A page is executable unless PTE_NO_EXECUTE says otherwise, "
            "and read-only unless PTE_WRITABLE does.")
def test_rights(lab: Lab) -> None:
    """Random segments at random addresses; W^X, U, no page too many."""
    with programs(lab) as kernel:
        for loaded in load_random(kernel, lab.rng, 10):
            check_rights(kernel, loaded)


@check("T3.5", title="A program's bytes are where they belong, and all the rest is zero", points=5,
       exercise="3.2", debug_at="load_elf",
       hint="fill_page in elf_load.c: cut [address, address + file_size) to the page, then copy "
            "from as far into the file's part as the cut is into the segment.")
def test_contents(lab: Lab) -> None:
    """Segments that begin and end in the middle of a page; BSS; page tails."""
    with programs(lab) as kernel:
        for loaded in load_random(kernel, lab.rng, 10):
            check_contents(kernel, loaded)


# 3.3: the stack that a program starts with


@check("T3.6", title="argc, argv, envp and the auxiliary vector lie where the psABI says", points=7,
       exercise="3.3", debug_at="user_stack_create",
       hint="put_all and put_pointers in user_stack.c: draw the page from its top down. Lowest is "
            "argc, where RSP points, a multiple of 16. psABI 3.4.1, figure 3.9")
def test_first_stack(lab: Lab) -> None:
    """Random arguments and variables, read from physical memory as a program would."""
    with programs(lab) as kernel:
        stack = FirstStack(kernel, lab.rng)
        for _ in range(25):
            stack.check(random_arguments(lab.rng))
        equal(len(set(stack.random)), len(stack.random),
              "how many of the 16 bytes that AT_RANDOM points to are different in 25 programs")


@check("T3.7", title="Arguments up to a page full are taken, and not one byte more", points=3,
       exercise="3.3", debug_at="user_stack_create",
       hint="put_all: what does not fit, put() notices, if everything is put with it. Is more left "
            "free than RSP's alignment needs?")
def test_too_many_arguments(lab: Lab) -> None:
    """The contract's ERROR_ARGUMENTS, at the limit; and a boot loader's line at its own."""
    with programs(lab) as kernel:
        stack = FirstStack(kernel, lab.rng)
        for _ in range(4):
            stack.check(arguments_of(lab.rng, PAGE, most=True))
            stack.refuse(arguments_of(lab.rng, PAGE + 16, most=False))
        stack.refuse(Arguments([b"x" * (3 * PAGE)], []))
        stack.refuse(Arguments([b"x"] * 600, []))
    check_lines(lab)


# 3.4: the kernel stack in the process's tables


@check("T3.8", title="The kernel stack is in the process: same frames, every page, kernel only",
       points=6, exercise="3.4", debug_at="copy_kernel_stack_to_process",
       hint="copy_kernel_stack_to_process in kernel_stack.c: for each page translate in "
            "kernel_root, map_page in the process; on an error take back what was mapped.")
def test_kernel_stack_copy(lab: Lab) -> None:
    """Frames, rights, guard page, named errors, no leak."""
    with programs(lab) as kernel:
        copy_some(kernel, lab.rng)
        copy_in_vain(kernel)


@check("T3.9", title="An exception in ring 3 finds its kernel stack, and no double fault comes",
       points=4, exercise="3.4", debug_at="copy_kernel_stack_to_process",
       hint="The processor pushes the frame while the process's tables are in use: is the whole "
            "stack in them, up to the top and down to the bottom?")
def test_stack_in_use(lab: Lab) -> None:
    """The processor's frame lies at the top; without the copy a double fault would come."""
    with programs(lab) as kernel:
        bottom, top = kernel.stack()
        visitor = Visitor(kernel, lab.rng, UD2)
        kernel.one("copy_kernel_stack_to_process", visitor.root, bottom, top).demand()
        visitor.set_rsp0(top)
        interrupted(visitor, "with the kernel stack copied")
        check_frame_place(visitor, top, "with the kernel stack copied")
        use_stack(kernel, visitor, bottom, top)


# 3.5: where the processor begins


@check("T3.10", title="set_kernel_stack writes RSP0 of the live TSS", points=5, exercise="3.5",
       debug_at="set_kernel_stack",
       hint="set_kernel_stack in kernel_stack.c: what does get_tss() return, and which of rsp[0] "
            "to rsp[2] is taken on the way to ring 0? SDM vol. 3A 7.7, figure 7-11")
def test_rsp0(lab: Lab) -> None:
    """By the TSS that TR names; a panic before there is one."""
    with programs(lab) as kernel:
        check_rsp0(kernel, lab.rng)
    with lab.boot() as m:
        check_too_early(m)


@check("T3.11", title="What interrupts ring 3 begins on the stack that was set last", points=5,
       exercise=("3.4", "3.5"), debug_at="set_kernel_stack",
       hint="A stack grows down: RSP0 is the address behind its last byte. Without it the "
            "processor pushes its frame anywhere, and a double fault comes.")
def test_rsp0_in_use(lab: Lab) -> None:
    """Two stacks, taken in turn, and a real process."""
    with programs(lab) as kernel:
        visitor = Visitor(kernel, lab.rng, UD2)
        stacks = [kernel.stack() for _ in range(2)]
        for bottom, top in stacks:
            kernel.one("copy_kernel_stack_to_process", visitor.root, bottom, top).demand()
        for _, top in (*stacks, stacks[0]):
            kernel.m.call("set_kernel_stack", top)
            interrupted(visitor, f"after set_kernel_stack({top:#x})")
            check_frame_place(visitor, top, f"after set_kernel_stack({top:#x})")
    with lab.boot() as m:
        check_own_stack(m)


# 3.6: into ring 3


@check("T3.12", title="The first instruction in ring 3: every register is what it must be, or zero",
       points=9, exercise="3.6", debug_at="enter_usermode",
       hint="enter_usermode: draw the frame that iretq pops. Selectors as they were handed over, "
            "RFLAGS 0x202, and then clear every register, those of the FPU too. SDM vol. 2A, IRET")
def test_first_instruction(lab: Lab) -> None:
    """Random entry, stack and former contents; no register tells what the kernel had in it."""
    with entrance(lab) as gate:
        gate.check_call()
        for _ in range(6):
            stack, fs_base = random_stack(lab.rng), lab.rng.getrandbits(47)
            gate.enter("start", stack, fs_base)
            gate.check_state(stack, fs_base)
            gate.back()
        gate.check_fpu()


@check("T3.13", title="FS_BASE has both of its halves, and outlives the loading of FS", points=4,
       exercise="3.6", debug_at="enter_usermode",
       hint="WRMSR writes EDX:EAX to the register that ECX names, so ECX comes last, and FS is "
            "loaded before. SDM vol. 2C, WRMSR")
def test_fs_base(lab: Lab) -> None:
    """High half only, low half only, zero, negative."""
    with entrance(lab) as gate:
        check_fs_base(gate)


@check("T3.14", title="A thousand timer interrupts, and the program notices nothing", points=7,
       exercise="3.6", debug_at="on_timer",
       hint="Is IF set in the RFLAGS that ring 3 starts with? Then the timer comes: through RSP0 "
            "on to the kernel stack, isr_common and back. Each register must survive.")
def test_ticks(lab: Lab) -> None:
    """All general registers, XMM, x87, RSP anywhere."""
    with entrance(lab) as gate:
        check_ticks(gate)


# 3.7: write


@check("T3.15", title="write sends a program's bytes as they are, and says how many", points=6,
       exercise="3.7", debug_at="sys_write",
       hint="sys_write in console_calls.c: copy a chunk, send it, go on behind it, until count is "
            "reached. Zero bytes are bytes, too.")
def test_write(lab: Lab) -> None:
    """The 49 bytes of `hello`; every length around the chunk; the way out."""
    with lab.boot(probe=True) as m:
        check_embedded(m)
    status = lab.rng.getrandbits(32)
    with writer(lab) as w:
        write_all_kinds(w)
        end_program(w, status, "writer")


@check("T3.16", title="write refuses wrong files and addresses, and stops where memory ends",
       points=4, exercise="3.7", debug_at="sys_write",
       hint="sys_write: look at fd first. copy_from_user says how much it could copy: what was "
            "sent before counts, and -EFAULT comes only if that is nothing.")
def test_write_refused(lab: Lab) -> None:
    """EBADF, EFAULT, partial writes, counts that wrap around."""
    with writer(lab) as w:
        refuse_writes(w)
        write_in_part(w)
        end_program(w, 0, "writer")


# 3.8: faults


@check("T3.17", title="What only the kernel may do ends a program, and the kernel goes on",
       points=5, exercise="3.8", debug_at="on_exception",
       hint="on_exception in user_fault.c: ring 3 is the ring in the saved CS. report_line says "
            "which exception it was, signal_for which signal ends the program.")
def test_privileged(lab: Lab) -> None:
    """Privileged instructions, forged interrupts, wrong numbers, flags: each ends with Linux's
    signal, in words, and no frame is lost."""
    with programs(lab) as kernel:
        Zoo(kernel, lab.rng, PRIVILEGED + FORGED).run()


@check("T3.18", title="Memory that is not the program's ends the program, and nobody else",
       points=4, exercise="3.8", debug_at="on_exception",
       hint="on_exception: for a page fault the message has the address, too: read_cr2. A page "
            "that is present grows no stack.")
def test_memory(lab: Lab) -> None:
    """The kernel's half, W^X, wild jumps, stacks anywhere."""
    with programs(lab) as kernel:
        Zoo(kernel, lab.rng, MEMORY).run()


@check("T3.19", title="The stack grows page by page down to its limit, and there the program ends",
       points=3, exercise="3.8", debug_at="user_stack_grow",
       hint="on_exception: a page fault from ring 3, on a page that is not present: ask "
            "user_stack_grow with CR2, and return if it helped. Nothing is said then.")
def test_stack_growth(lab: Lab) -> None:
    """Zeroed pages, the limit, 255 faults in a row, no frames left, no execution."""
    with programs(lab) as kernel:
        stack = Stack(kernel, lab.rng)
        grow(stack)
        overflow(stack)
        no_stack(stack)
        stack.rounds.end()
        no_frames(stack)


@check("T3.20", title="Whose fault it is, the saved CS says; the kernel's own are still a panic",
       points=3, exercise="3.8", debug_at="on_exception",
       hint="on_exception: came_from_user comes first. What the kernel does wrong in a system call "
            "is not the program's fault, even if the address is one of its stack.")
def test_guilt(lab: Lab) -> None:
    """The U bit of the error code decides nothing; ring 0 neither grows stacks nor kills."""
    with programs(lab) as kernel:
        stack = Stack(kernel, lab.rng)
        guilty_though_not_by_the_u_bit(stack)
        guilty_kernel(stack, LIMIT + 0x5000, forged=False)
    with programs(lab) as kernel:
        guilty_kernel(Stack(kernel, lab.rng), 0x1234000, forged=True)
