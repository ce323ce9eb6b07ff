"""Exercise 3.8: page faults that are to be mended, and faults that are not the program's."""

from __future__ import annotations

from random import Random

from grade.lab3.kernel import Programs
from grade.lab3.rounds import Report, Rounds
from grade.machine import layout, paging
from grade.machine.layout import PAGE, PF_USER, SIGSEGV, VECTOR_PF
from grade.machine.paging import ADDRESS
from grade.machine.state import frame_layout
from grade.outcome import equal, expect
from grade.programs.image import program

TOP, LIMIT = layout.USER_STACK_TOP, layout.USER_STACK_LIMIT
PANIC = "PANIC: #PF page fault"
FEW = 48  # frames: enough for a program to start, too few for all of its stack

TEXT = """
start:   jmp start
touch:   mov rbx, [rax]
touched: mov [rax], rcx
written: int 0x80
jump:    jmp rax
dig:     push rax
         jmp dig
"""
LABELS = ("start", "touch", "touched", "written", "jump", "dig")


class Stack:
    """Programs that use the stack in ways of the grader's choice."""

    def __init__(self, kernel: Programs, rng: Random) -> None:
        self.kernel, self.m, self.rng = kernel, kernel.m, rng
        self.rounds = Rounds(kernel)
        self.file, code = program(TEXT, rng.randrange(16, 1 << 30) * PAGE, LABELS)
        self.labels = code.labels

    def begin(self) -> None:
        """A program at its first instruction."""
        self.rounds.begin(self.file, "stack")
        self.m.run_to(self.labels["start"])
        self.root = self.m.regs.cr3 & ADDRESS

    def end(self, label: str, what: str, address: int, **registers: int) -> Report:
        """Let it do something for which it is killed, with this address in the message."""
        self.m.set_regs(rip=self.labels[label], **registers)
        report = self.rounds.finish("stack", what)
        expect((report.how, report.number) == ("ended by signal", SIGSEGV),
               f"{what}: {report.how} {report.number}", f"ended by signal {SIGSEGV} (SIGSEGV)")
        faults = [each for each in report.events if each.vector == VECTOR_PF]
        equal(faults[-1].cr2 if faults else None, address, f"{what}: the address of the last fault")
        expect(any(f"{address:016x}" in line for line in report.lines),
               f"{what}: the kernel says {report.lines[-4:]}", f"{address:016x} is named")
        return report

    def pages(self) -> dict[int, int]:
        """The pages of its stack, and their frames."""
        slot = TOP >> 39 & 511
        found = paging.mappings(self.m.phys, self.root, slot, slot)
        for each in found:
            expect(each.user and each.writable and not each.executable,
                   f"a page of the stack is mapped as {each}", "for ring 3, writable, not "
                   "executable (uw-)")
        return {each.va: each.pa for each in found if LIMIT <= each.va < TOP}

    def touch(self, address: int) -> None:
        """Read 8 bytes there, which must be zero, and write them."""
        m, value, before = self.m, self.rng.getrandbits(64), self.pages()
        touched = {each & -PAGE for each in (address, address + 7)}
        m.set_regs(rip=self.labels["touch"], rax=address, rcx=value)
        m.run_to(self.labels["touched"])
        equal(m.regs.rbx, 0, f"what the program reads at {address:#x}, in a new page of its stack")
        m.run_to(self.labels["written"])
        after = self.pages()
        equal(sorted(after.keys() - before.keys()), sorted(touched - before.keys()),
              f"the list of pages that were added when the program used {address:#x}")
        for va in touched - before.keys():
            contents = m.phys.read(after[va], PAGE)
            expect(contents.count(0) >= PAGE - 8, f"a new page of the stack, {va:#x}, is not empty",
                   "zeroes: what was in the frame belonged to somebody else")


def grow(stack: Stack) -> None:
    """Pages come where they are used, from the lowest to the highest that there may be."""
    rng = stack.rng
    stack.begin()
    inside = [LIMIT + rng.randrange(1, 200) * PAGE - 4, LIMIT, *(
        rng.randrange(LIMIT + PAGE, TOP - 2 * PAGE, 8) for _ in range(6))]
    for address in rng.sample(inside, len(inside)):
        stack.touch(address)
    stack.end("touch", "a read of the guard page below its stack", LIMIT - 8, rax=LIMIT - 8)


def overflow(stack: Stack) -> None:
    """A program that pushes and pushes, which is how stacks come to their end."""
    stack.begin()
    what = "a program that pushes without end"
    report = stack.end("dig", what, LIMIT - 8)
    mended = sum(each.vector == VECTOR_PF for each in report.events) - 1
    equal(mended, (TOP - LIMIT) // PAGE - 1, f"{what}: the number of page faults that were mended")


def no_stack(stack: Stack) -> None:
    """Where no stack grows: far below, above, and for whoever wants to execute it."""
    rng = stack.rng
    for address in (TOP, LIMIT - PAGE, LIMIT - rng.randrange(1, 1 << 20) * PAGE):
        stack.begin()
        stack.end("touch", f"a read of {address:#x}", address, rax=address)
    stack.begin()
    address = LIMIT + rng.randrange(10, 100) * PAGE
    stack.end("jump", "a jump to its stack", address, rax=address)


def no_frames(stack: Stack) -> None:
    """Memory runs out while a stack grows: that ends the program."""
    stack.kernel.drain(keep=FEW)
    stack.rounds.free = FEW
    stack.begin()
    stack.m.set_regs(rip=stack.labels["dig"])
    report = stack.rounds.finish("stack", "a stack for which there is no frame")
    expect((report.how, report.number) == ("ended by signal", SIGSEGV),
           f"a stack for which there is no frame: {report.how} {report.number}",
           f"ended by signal {SIGSEGV} (SIGSEGV)")
    stack.rounds.end()


# Who is guilty


def guilty_though_not_by_the_u_bit(stack: Stack) -> None:
    """A fault in ring 3 whose error code says that the kernel accessed the page: so it is when the
    processor reads its own tables, or an IRETQ's frame, for a program."""
    m = stack.m
    stack.begin()
    m.set_regs(rip=stack.labels["touch"], rax=LIMIT - 8)
    m.run_to("trap")
    error = m.regs.rdi + frame_layout(m).fields["error"].offset
    m.memory.set_u64(error, m.memory.u64(error) & ~PF_USER)
    what = "a page fault with CS of ring 3 and an error code without the U bit"
    report = stack.rounds.finish("stack", what)
    expect((report.how, report.number) == ("ended by signal", SIGSEGV),
           f"{what}: {report.how} {report.number}", f"ended by signal {SIGSEGV} (SIGSEGV)")


def guilty_kernel(stack: Stack, address: int, forged: bool) -> None:
    """In the middle of a system call the kernel itself reads where nothing is."""
    m = stack.m
    stack.begin()
    m.set_regs(rip=stack.labels["written"])
    m.run_to("trap")
    m.set_regs(rip=m.sym("probe_peek"), rdi=address)
    if forged:
        m.run_to("trap")
        error = m.regs.rdi + frame_layout(m).fields["error"].offset
        m.memory.set_u64(error, m.memory.u64(error) | PF_USER)
    m.run_to("machine_exit")
    heard = m.console.lines[stack.rounds.heard:]
    expect(m.regs.rdi & 0xFF == layout.EXIT_PANIC and any(
        line.startswith(PANIC) for line in heard),
           f"the kernel's own read of {address:#x}, in a system call, does not end in a panic; it "
           f"says {heard[-3:]}", f"a line that begins with {PANIC!r}: the program is not guilty")
    expect(not m.memory.walk(address, stack.root),
           f"a page was mapped for the kernel's own read of {address:#x}",
           "the stack grows for ring 3 only; the kernel's mistakes are not mended")
