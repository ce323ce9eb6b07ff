"""Exercise 5.5: several processes in the kernel, each yields, and everything is the next one's."""

from __future__ import annotations

from collections import deque

from grade.lab5 import user_state
from grade.lab5.processes import OFF, Family, Process, ProcessState, every_place
from grade.lab5.user_state import SELECTORS, UserState
from grade.machine import layout
from grade.machine.calls import LANDING, RED_ZONE
from grade.machine.layout import SYS_fork
from grade.machine.state import CALLEE_SAVED, FIXED, IF, State, assign, compare, variable
from grade.outcome import equal, expect
from grade.programs.image import assemble

KERNEL_RSP, FRAME = layout.PERCPU_KERNEL_RSP, layout.PERCPU_FRAME
POLL = "again: mov eax, {}\n mov rdi, {}\n mov esi, {}\n mov edx, {}\n xor r10d, r10d\n" \
       "syscall\nasked: jmp again"
NOWHERE = 0x10
POLLS = {  # what can be asked again and again, and tells nothing new
    "wait4(-1, NULL, WNOHANG)": (61, -1, 0, 1),
    "execve of a name that cannot be read": (59, NOWHERE, 0, 0),
    "write of memory that is none": (1, 1, NOWHERE, 1),
    "writev of a list that cannot be read": (20, 1, NOWHERE, 1),
    "fork, which is refused,": (SYS_fork, 0, 0, 0),
}
REFUSE, RET = b"\xb8", b"\xc3"  # mov eax, ...; ret
LIVE = {"fs_base": "fs_base", "gs_base": "k_gs_base", **{name: name for name in SELECTORS}}


class Actor:
    """A process, and what must be in the processor when it runs."""

    def __init__(self, process: Process, user: UserState) -> None:
        self.process, self.user = process, user
        self.kernel_rsp = process.get("kernel_rsp")
        self.frame = process.get("syscall")
        self.root = process.root
        self.stack = 0  # RSP when a yield of its own returns; 0 as long as it has not begun
        self.saved: State = {}  # what a function must preserve


class Stage:
    """The processes, the queue, and who runs. Whoever runs stands in the kernel."""

    def __init__(self, family: Family, children: int) -> None:
        self.f, self.m, self.rng = family, family.m, family.rng
        state = user_state.random_state(self.rng)
        user_state.take_on(family, state)
        family.into_kernel(rflags=OFF)
        self.spare = every_place(self.m)[-1]
        self.now = Actor(family.parent, state)
        self.now.kernel_rsp = variable(self.m, "percpu", KERNEL_RSP)
        self.now.frame = variable(self.m, "percpu", FRAME)
        self.all = [self.now, *(self._child() for _ in range(children))]
        self.queue = deque(self.all[1:])
        for each in self.queue:
            self.m.call("make_ready", each.process.address)

    def _child(self) -> Actor:
        """With all that a switch exchanges made random."""
        child, state = self.f.fork(), user_state.random_state(self.rng)
        user_state.keep(child, state)
        child.put("kernel_rsp", child.top - 16 * self.rng.randrange(1, 32))
        child.put("syscall", self.rng.getrandbits(64))
        return Actor(child, state)

    def leave(self) -> Actor:
        """The one that runs calls yield; come to switch_stacks. Who must be next."""
        own, m = self.now, self.m
        before = m.regs
        own.stack = before.rsp - RED_ZONE & -16
        own.saved = {name: self.rng.getrandbits(64) for name in CALLEE_SAVED}
        m.memory.set_u64(own.stack - 8, m.sym(LANDING))
        m.set_regs(rsp=own.stack - 8, rip=m.sym("yield"), **own.saved)
        m.run_to("switch_stacks")
        self.queue.append(own)
        self.now = self.queue.popleft()
        return own

    def arrive(self, left: Actor) -> None:
        """See that the next one goes on where it was, with all that is its own."""
        m, own = self.m, self.now
        where = f"after a switch from {left.process} to {own.process}"
        goal = LANDING if own.stack else "forked_child_starts"
        m.run_to(goal, "forked_child_starts")
        regs = m.regs
        equal(m.where(regs.rip), m.where(m.sym(goal)), f"{where}: where it goes on")
        if own.stack:
            equal(regs.rsp, own.stack, f"{where}: RSP")
            compare({name: getattr(regs, name) for name in CALLEE_SAVED}, own.saved, where)
        else:
            low, high = own.process.get("kernel_stack.bottom"), own.process.top
            expect(low <= regs.rsp < high, f"{where}: RSP is {regs.rsp:#x}",
                   f"on its own kernel stack, {low:#x} to {high:#x}")
        self.check_processor(where)
        m.call("save_user_state", self.spare.place("user"))
        own.user.check(user_state.kept(self.spare), f"{where}: in the processor")

    def check_processor(self, where: str) -> None:
        """Everything that the processor uses is that of the one that is to run."""
        m, own, regs = self.m, self.now, self.m.regs
        process = own.process
        equal(variable(m, "current_process"), process.address, f"{where}: current_process")
        equal(process.state.name, ProcessState.RUNNING.name, f"{where}: the state of {process}")
        equal(regs.cr3, own.root, f"{where}: CR3", "switch_address_space(next->root)")
        equal(variable(m, "cpu_tss", layout.TSS_RSP0), own.kernel_rsp, f"{where}: TSS.rsp0",
              "interrupts from ring 3 begin there: set_kernel_stack")
        equal(variable(m, "percpu", KERNEL_RSP), own.kernel_rsp, f"{where}: percpu.kernel_rsp",
              "SYSCALL takes its stack from there, not from the TSS")
        equal(variable(m, "percpu", FRAME), own.frame, f"{where}: percpu.frame",
              "it tells which system call is being served")
        equal(regs.gs_base, m.sym("percpu"), f"{where}: GS_BASE")
        for name, live in LIVE.items():
            equal(getattr(regs, live), own.user.numbers[name], f"{where}: the program's {name}")
        expect(not regs.rflags & IF, f"{where}: interrupts are on", "off")

    def check_left(self, left: Actor) -> None:
        """Where the one that was left can be found again."""
        process, regs = left.process, self.m.regs
        where = f"at switch_stacks from {process} to {self.now.process}"
        equal(regs.rdi, process.place("switch_rsp"), f"{where}: RDI, &current->switch_rsp,")
        equal(regs.rsi, self.now.process.get("switch_rsp"), f"{where}: RSI, next->switch_rsp,")
        equal(process.get("kernel_rsp"), left.kernel_rsp, f"{where}: kernel_rsp of {process}",
              "what percpu.kernel_rsp was: it need not be the top, below which records may lie")
        equal(process.get("syscall"), left.frame, f"{where}: syscall of {process}",
              "what percpu.frame was")
        left.user.check(user_state.kept(process), f"{where}: struct user_state of {process}")

    def change(self) -> None:
        """What the one that runs has in the processor changes, as arch_prctl and the like do it."""
        own, m = self.now, self.m
        own.user = user_state.random_state(self.rng)
        user_state.keep(self.spare, own.user)
        m.call("load_user_state", self.spare.place("user"))
        own.frame, own.kernel_rsp = self.rng.getrandbits(64), own.process.top - 0x400
        assign(m, "percpu", own.frame, FRAME)
        assign(m, "percpu", own.kernel_rsp, KERNEL_RSP)

    def turn(self) -> None:
        """A whole switch."""
        left = self.leave()
        self.check_left(left)
        self.check_processor(f"at switch_stacks from {left.process} to {self.now.process}")
        self.arrive(left)


def check_poll(family: Family, what: str, call: tuple[int, int, int, int]) -> None:
    """Who asks again and again for the same gives way when its turn is over, though the timer
    always comes while the kernel is at work: in ring 3 interrupts are off here."""
    m, ticks = family.m, 0
    family.into_kernel(rflags=FIXED)
    child = family.fork()
    m.call("make_ready", child.address)
    family.back()

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    if call[0] == SYS_fork:
        m.memory.poke_code(m.sym("process_fork"), REFUSE + layout.ERROR_NO_PROCESS.to_bytes(
            4, "little") + RET)
    code = assemble(POLL.format(*call), family.program.spare, ["asked"])
    m.memory.poke_code(family.program.spare, code.bytes)
    m.on("on_tick", tick)
    family.plant(rip=family.program.spare, rflags=FIXED)
    asked = 0
    while m.run_to(code.labels["asked"], "switch_stacks") != m.sym("switch_stacks"):
        asked += ticks > 0
        expect(asked < 3, f"a tick has come, {child} is READY, and its parent has made "
               f"{asked} calls since: {what}", "the child's turn",
               "yield_if_due at the end of the call, or give_way")
    equal(m.regs.rsi, child.get("switch_rsp"), "where switch_stacks goes on")
