"""Exercise 5.2: what process_fork makes: a struct process, a kernel stack, and the registers at its
top."""

from __future__ import annotations

from collections.abc import Iterator

from grade.lab import Lab
from grade.lab5.processes import (OFF, Failing, Family, Process, ProcessState, after_fork,
                                  all_processes)
from grade.lab5.copy_on_write import user_half
from grade.machine import MemoryArea, Registers, layout
from grade.machine.layout import PAGE, SYS_fork, SYS_getpid, USER_END
from grade.machine.paging import NO_EXECUTE, WRITABLE
from grade.machine.state import (AC, DF, FORK_REGISTERS, ID, IF, IOPL, NT, compare, frame_size,
                                 random_flags, read_frame, user_base)
from grade.outcome import Failure, Outcome, equal, expect
from grade.programs.image import assemble

SAVED = 6 * 8  # what switch_stacks pops
FLAGS = (IF, DF, NT, AC, IOPL, ID)
WAYS = ("syscall", "int80")
HIGHEST_PID = 1 << 22  # Linux's PID_MAX_LIMIT; the kernel's is PID_LIMIT
SMALL = (MemoryArea(0, 0x9F000), MemoryArea(1 << 20, 0x900000))
HINT = "capture_syscall in fork.c: SYSCALL has RIP in the frame's rcx and RFLAGS in its r11"
BOMB = "again: mov eax, SYS_fork\n syscall\n test rax, rax\n js done\n inc rbx\n jmp again\n" \
       "done: jmp done"


def random_state(family: Family) -> dict[str, int]:
    """For into_kernel: flags, stack and bases that a program can have."""
    rng = family.rng
    return {"rflags": random_flags(rng, *FLAGS), "rsp": rng.choice((0, 7, USER_END - 1,
                                                                    rng.getrandbits(64))),
            "fs_base": user_base(rng), "gs_base": user_base(rng)}


def entries(family: Family) -> Iterator[tuple[str, Registers]]:
    """Hold system calls of both kinds in the kernel, in an order that leaves something stale."""
    for by in ("syscall", *WAYS, *reversed(WAYS), "int80"):
        yield by, family.into_kernel(by, **random_state(family))
        family.back()


def check_capture(family: Family, by: str, before: Registers) -> None:
    """capture_registers, called while a system call is being served."""
    place = family.scratch
    family.m.memory.write(place, b"\xee" * frame_size(family.m, FORK_REGISTERS))
    family.m.call("capture_registers", place)
    compare(read_frame(family.m, place, FORK_REGISTERS), after_fork(before, by),
            f"capture_registers in a system call by {by}", HINT)


def check_layout(family: Family, child: Process) -> None:
    """The child's kernel stack looks as if it had called switch_stacks."""
    room = SAVED + 8 + frame_size(family.m, FORK_REGISTERS)
    rsp, bottom, top = child.get("switch_rsp"), child.get("kernel_stack.bottom"), child.top
    expect(bottom <= rsp <= top - room,
           f"switch_rsp of the child is {rsp:#x}, its kernel stack is {bottom:#x} to {top:#x}",
           f"an address on it, {room} bytes or more below its top",
           "six registers, an address to return to, and a struct fork_child_registers")
    equal(family.m.memory.u64(rsp + SAVED), family.m.sym("forked_child_starts"),
          "the word behind the six registers that switch_stacks pops from the child's stack",
          "switch_stacks returns there: it must be forked_child_starts")


def take_up_stack(family: Family, by: str, before: Registers, child: Process) -> None:
    """Switch to it, and find the child's registers there."""
    m = family.m
    m.set_regs(rip=m.sym("switch_stacks"), rdi=family.scratch, rsi=child.get("switch_rsp"))
    m.run_to("forked_child_starts")
    compare(read_frame(m, m.regs.rsp, FORK_REGISTERS), after_fork(before, by),
            f"what forked_child_starts finds at RSP (fork by {by})", "struct fork_child_registers")


def check_ready(family: Family, by: str, before: Registers, child: Process) -> None:
    """The child waits for its turn: the registers of its parent's system call lie on its stack."""
    check_layout(family, child)
    place = child.get("switch_rsp") + SAVED + 8
    compare(read_frame(family.m, place, FORK_REGISTERS), after_fork(before, by),
            "the registers on the kernel stack of a new child", HINT)


def grow_heap(family: Family) -> None:
    """What brk does: some pages more, and the end somewhere in the last of them. We stand in the
    kernel."""
    parent, pages = family.parent, family.rng.randrange(1, 5)
    end = -(-parent.get("image.heap_end") // PAGE) * PAGE
    for page in range(pages):
        family.m.call.result("address_space_add_page", parent.root, end + page * PAGE,
                             NO_EXECUTE | WRITABLE)
    parent.put("image.heap_end", end + pages * PAGE - family.rng.randrange(PAGE))


def check_memory(family: Family, child: Process) -> None:
    """The child maps what its parent maps, the heap as far as it has grown."""
    pages = [[(each.va, each.pa) for each in user_half(family, process.root)]
             for process in (family.parent, child)]
    missing = [hex(va) for va, _ in pages[0] if va not in dict(pages[1])]
    expect(not missing, f"the child does not map {', '.join(missing)}, which its parent maps",
           "all segments, the heap up to heap_end, and the stack")
    equal(pages[1], pages[0], "the pages and frames of the child, compared with its parent's")


def check_process(family: Family, child: Process) -> None:
    """Everything else that a child is."""
    m, parent = family.m, family.parent
    expect(child != parent and child.pid > parent.pid,
           f"the child's number is {child.pid}, the parent's {parent.pid}", "a new number")
    equal(m.call("process_find", child.pid), child.address, f"process_find({child.pid})")
    equal(child.get("parent"), parent.address, "the child's parent")
    expect(child.state in (ProcessState.BLOCKED, ProcessState.READY),
           f"the child's state is {child.state.name}", "that of a process that does not run")
    for name in ("image.name", "image.entry", "image.heap_start", "image.heap_end", "files"):
        equal(child.data(name).hex(), parent.data(name).hex(), f"{name} of the child",
              "it is a copy of its parent")
    expect(child.root != parent.root, "parent and child have the same root", "a root of its own")
    equal(child.get("kernel_rsp"), child.top, "the child's kernel_rsp, compared with the top")
    check_own_stack(family, child)
    check_memory(family, child)


def check_own_stack(family: Family, child: Process) -> None:
    """A kernel stack of its own, with its guard page, seen from every address space."""
    m, parent = family.m, family.parent
    bottom = child.get("kernel_stack.bottom")
    equal(child.top - bottom, layout.STACK_SIZE, "the size of the child's kernel stack")
    expect(bottom != parent.get("kernel_stack.bottom"), "parent and child have one kernel stack",
           "a kernel stack for each")
    for root in (child.root, parent.root):
        equal(m.memory.walk(bottom - PAGE, root), None,
              "the guard page below the child's kernel stack")
        for page in range(bottom, child.top, PAGE):
            found = m.memory.walk(page, root)
            expect(found and found.writable and not found.user and not found.executable,
                   f"the child's kernel stack at {page:#x}: {found and found.leaf}",
                   "mapped in every address space: W, not U, NX",
                   "the processor pushes there while the child's page tables are in use")


def skip_user_state(family: Family) -> None:
    """save_user_state is not written yet: let it do nothing."""
    family.m.memory.poke_code(family.m.sym("save_user_state"), b"\xc3")


def fork_without_memory(family: Family, before: Registers) -> int:
    """Let each frame_alloc of process_fork fail, one after the other, until one works: how many
    there are. We stand in the kernel, in a SYSCALL made with the registers `before`."""
    m, failing = family.m, Failing(family.m)
    free, processes = family.count_free(), all_processes(m)
    alive = m.call("processes_alive")
    for n in range(1, 200):
        failing.left = n
        error, address = m.call.out("process_fork")
        tried = failing.happened
        failing.left = 0
        if not tried:
            equal(error, "OK", "the error of process_fork")
            child = Process(m, address)
            check_ready(family, "syscall", before, child)
            m.call("address_space_destroy", child.root)
            m.call("process_free", child.address)
            equal(family.count_free(), free, "the number of free frames when the child has been "
                  "given back")
            return n
        when = f"when frame_alloc number {n} of process_fork fails"
        equal(error, "ERROR_NO_FRAMES", f"the error of process_fork {when}")
        equal(family.free(), free, f"frames_free() {when}", "everything is given back then")
        equal([str(each) for each in all_processes(m)], [str(each) for each in processes],
              f"the process table {when}")
        equal(m.call("processes_alive"), alive, f"processes_alive() {when}")
    raise Failure(Outcome.WRONG, "process_fork takes more than 200 frames, of a small program",
                  "some tables, and a kernel stack")


def check_early(lab: Lab) -> None:
    """Before anything has been set up there are no processes, and none can be made. The table needs
    no initialization that one could come too early for."""
    with lab.boot() as m:
        m.run_to("kmain")
        place = m.regs.rsp - 128  # machine.call leaves 256 bytes alone
        before = m.memory.read(place, 8)
        error = m.call.error("process_allocate", place)
        expect(error != "OK", "process_allocate succeeds before frames_init",
               "an error: there is no memory for a kernel stack")
        equal(m.memory.read(place, 8), before, "what it has written as its result")
        for function in ("processes_alive", "processes_started"):
            equal(m.call(function) & 0xFFFF_FFFF, 0, f"{function}() after that")
        equal(m.call("process_find", 1), 0, "process_find(1) when there are no processes")


def check_numbers(family: Family) -> None:
    """When the highest number has been given, the low ones come again, but none that is in use."""
    m = family.m
    taken = {each.pid for each in all_processes(m)}
    m.memory.write(m.sym("last_pid"), (HIGHEST_PID - 1).to_bytes(4, "little"))
    for _ in range(max(taken) + 2):
        pid = family.fork().pid
        expect(0 < pid <= HIGHEST_PID and pid not in taken,
               f"a child gets the number {pid} while there are {sorted(taken)}",
               f"a number from 1 to {HIGHEST_PID} that nobody has")
        taken.add(pid)


def bomb(family: Family) -> tuple[int, int]:
    """fork until it is refused: how many there are, and the refusal. No child's turn comes, which
    would take exercise 5.5: interrupts are off in ring 3, and nobody gives way."""
    family.m.memory.poke_code(family.m.sym("yield_if_due"), b"\xc3")
    code = assemble(BOMB, family.program.spare, ["done"])
    family.m.memory.poke_code(family.program.spare, code.bytes)
    family.plant(rip=family.program.spare, rbx=0, rflags=OFF)
    error = family.come_back(code.labels["done"], "a loop of forks")
    return family.m.regs.rbx, error


def check_refusal(family: Family, error: int, expected: int, why: str) -> None:
    """fork is refused, again and again, and nothing is lost by it."""
    equal(error, expected, f"fork {why}")
    family.into_kernel(rflags=OFF)
    free, count = family.count_free(), len(all_processes(family.m))
    family.back()
    for by in WAYS:
        equal(family.ask(SYS_fork, by=by, rflags=OFF), expected, f"fork {why}, by {by},")
    equal(family.ask(SYS_getpid, rflags=OFF), family.parent.pid,
          "getpid() of the parent after that")
    family.into_kernel(rflags=OFF)
    equal(family.count_free(), free, f"the number of free frames after a fork that was refused, "
          f"{why}")
    equal(len(all_processes(family.m)), count, f"the number of processes, {why}")
