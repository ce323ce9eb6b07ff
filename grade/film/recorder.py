"""The recorder: single steps of a running kernel, and at each one what it did.

Nothing is put into the kernel: QEMU's gdb stub makes the steps, registers and memory are read from
outside. What QEMU does at a step: an instruction that faults, and one before which an interrupt
comes, end at the handler's first instruction; `rep` stops once per iteration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from grade import words
from grade.film import sentences
from grade.film.instructions import Access, Instruction, decode, stack_access
from grade.film.labels import Label, Labels
from grade.film.places import PAGE, PROGRAM, Places, Stack
from grade.film.spaces import OFF, Space, Spaces
from grade.machine import paging
from grade.machine.frames import WORD
from grade.machine.gdbremote import GENERAL, Registers
from grade.machine.intlog import Interrupt
from grade.machine.layout import signal_name
from grade.machine.machine import Machine
from grade.machine.session import Ending, Stop
from grade.machine.state import WITH_ERROR_CODE
from grade.outcome import Failure, Outcome

MOST_STEPS = 4000
AFTER_DOUBLE_FAULT = 30
MOST_REPEATED = 100_000
DOUBLE_FAULT = 8
OLDER = 40  # words of a stack that are shown from before the film
UNFILMED = "somebody, unfilmed"  # who has put a word there
FRAME_RSP = 3  # which word of an interrupt's frame it is
ENDS = ("panic", "panic_begin", "machine_exit", "refuse_32")
KILLED = "process_kill"
PROGRAMS = (*GENERAL, "rflags", "cs", "ss", "cr3", "fs_base", "gs_base", "k_gs_base")
STEP_QUIETLY, STEP_WITH_INTERRUPTS = 7, 1  # QEMU's bits: do not let interrupts in, stop timers


class Write(NamedTuple):
    """A word of memory that has a new value."""

    va: int
    pa: int
    size: int
    before: int
    value: int
    label: Label
    stack: str  # whose word it is, or ""
    was: str = ""  # its label before


@dataclass
class Step:
    """One instruction, what it did, and the state of the machine after it."""

    instruction: Instruction
    before: Registers
    after: Registers
    writes: list[Write] = field(default_factory=list)
    reads: list[Access] = field(default_factory=list)
    source: Label | None = None  # of the word that was read
    events: list[Interrupt] = field(default_factory=list)
    delivered: bool = False  # the processor went to a handler; the instruction did nothing
    over: str = ""  # a function that was run and not filmed
    times: int = 1  # of a repeated instruction
    cut: str = ""  # what happened before this step and was not filmed
    depth: int = 0  # of calls
    space: Space | None = None
    stack: Stack | None = None
    entry: str = ""  # of a page table, that has been changed or, where that matters, read
    say: str = ""
    fault: bool = False
    names: dict[str, str] = field(default_factory=dict)  # labels of registers that have changed

    @property
    def tables(self) -> str:
        return self.space.name if self.space else OFF


@dataclass(frozen=True)
class Watched:
    """A word that the film shows beside the stacks."""

    name: str
    va: int


class Over(Exception):
    """The film ends here, and this is why."""

    def __init__(self, failure: Failure | None, seen: str) -> None:
        super().__init__(seen)
        self.failure, self.seen = failure, seen


class Recorder:
    """Films a machine. `goal` says in words what is to happen in the end."""

    def __init__(self, machine: Machine, places: Places, goal: str,
                 watched: Sequence[Watched] = ()) -> None:
        self.m, self.places, self.goal, self.watched = machine, places, goal, watched
        self.spaces, self.labels = Spaces(machine, places), Labels()
        self.steps: list[Step] = []
        self.stacks: dict[str, Stack] = {}
        self.older: dict[str, dict[int, int]] = {}
        self.start: Registers = machine.regs
        self.ended: Over | None = None
        self._memory: dict[int, tuple[int, int]] = {}  # words shown: physical address: va, value
        self._depth = 0
        self._double_fault = -1
        self._ends = {machine.sym(name): name for name in (*ENDS, KILLED)
                      if name in machine.symbols}
        self._pages: dict[int, str] = {}  # frames of the stacks that are shown
        self._mode = STEP_QUIETLY
        self.reads_of_tables = False  # are they landmarks?
        self.never_returns: list[int] = []  # functions that are filmed, however they are come to
        self._at_start: dict[str, int] = {}
        self.first_space: Space | None
        self.first_stack: Stack | None
        self.first_space, self.first_stack = self._look(self.start, -1)
        for each in watched:
            self._know(each, self.start)

    # From outside

    def film(self, until: Callable[[Registers], bool], detail: int = 99,
             most: int = MOST_STEPS, after: int = 0) -> bool:
        """Step until `until` holds, and `after` steps more; calls deeper than `detail` are run and
        not filmed. False if the film has ended before."""
        try:
            for _ in range(most):
                if until(self.step(detail)):
                    for _ in range(after):
                        self.step(detail)
                    return True
            raise Over(None, f"cut after {most} steps: it did not come to its end by then")
        except Over as over:
            self.ended = over
        except Failure as failure:
            self.ended = Over(failure, failure.seen)
        return False

    def expect_kept(self, but: Sequence[str]) -> None:
        """The program is back: every register of its own must be as it was when it left ring 3, but
        for these. Otherwise the film ends in a fault, at the step that came back."""
        out = next((step for step in self.steps if step.before.cpl and not step.after.cpl), None)
        back = next((step for step in reversed(self.steps)
                     if step.after.cpl and not step.before.cpl), None)
        if self.ended or out is None or back is None:
            return
        wrong = [name for name in PROGRAMS if name not in but
                 and getattr(out.before, name) != getattr(back.after, name)]
        if wrong:
            back.fault = True
            seen = "the program comes back with other registers: " + ", ".join(
                f"{name.upper()} is {words.number(getattr(back.after, name))}, and was "
                f"{words.number(getattr(out.before, name))}" for name in wrong)
            self.ended = Over(Failure(Outcome.WRONG, seen,
                                      f"{self.goal}, each register as it was"), seen)

    def cut(self, what: str, run: Callable[[], object]) -> bool:
        """Let the machine do something that is not filmed; False if it does not come through."""
        try:
            run()
        except Failure as failure:
            self.ended = Over(failure, failure.seen)
            return False
        before, after = self.regs, self.m.regs
        step = Step(Instruction(after.rip, 0, "", "", False, (), 64), before, after, cut=what)
        self.labels.registers.clear()
        self._depth = 0
        self._changed_meanwhile(step)
        self._finish(step)
        return True

    @property
    def regs(self) -> Registers:
        return self.steps[-1].after if self.steps else self.start

    def let_interrupts_in(self, yes: bool) -> None:
        """While stepping. Without that QEMU holds them back."""
        self._mode = STEP_WITH_INTERRUPTS if yes else STEP_QUIETLY
        self.m.session.gdb.request(f"Qqemu.sstep={self._mode:x}")

    def forget(self, keep: int) -> None:
        """Leave out all steps but the last ones: what came before was only waiting."""
        if len(self.steps) <= keep:
            return
        last = self.steps[-keep - 1]
        self.start, self.first_space, self.first_stack = last.after, last.space, last.stack
        self.steps = self.steps[-keep:]
        for each in self.spaces.found.values():
            each.maps = [{**each.maps[-1], "step": -1}] if each.maps else []

    @property
    def last_stack(self) -> Stack | None:
        """Where RSP was before the step that is being made."""
        return self.steps[-1].stack if self.steps else self.first_stack

    # One step

    def step(self, detail: int) -> Registers:
        """Execute one instruction, or one call, and note what it did."""
        before = self.regs
        if before.rip in self._ends:
            self._end_at(self._ends[before.rip])
        instruction = decode(self._code(before), before)
        known = self._words(instruction, before)
        total = self.m.session.log.total
        step = Step(instruction, before, before)
        self._execute(step, detail)
        step.after = self.m.session.gdb.registers()
        self._hear(step, total)
        if not step.delivered:
            self._note_memory(step, known)
        self._follow(step)
        self._finish(step)
        self._stop_after_double_fault(step)
        return step.after

    def _code(self, regs: Registers) -> bytes:
        """The bytes at RIP, as far as there are any."""
        data = b""
        for va in (regs.rip, (regs.rip | PAGE - 1) + 1):
            pa = self.translate(va, regs)
            if pa is None or not self.m.phys.contains(pa, 1):
                break
            data += self.m.phys.read(pa, min(PAGE - pa % PAGE, 16))
        return data

    def translate(self, va: int, regs: Registers) -> int | None:
        if not regs.cr0 >> 31:
            return va & 0xFFFF_FFFF if va < 1 << 32 else None
        try:
            found = paging.walk(self.m.phys, regs.cr3, va)
        except Failure:
            return None
        return found.pa if found and self.m.phys.contains(found.pa, 1) else None

    def _execute(self, step: Step, detail: int) -> None:
        stop = self.m.session.step()
        if stop.ending == Ending.BREAKPOINT and step.instruction.repeated:
            stop = self._repeat(step)
        if stop.ending != Ending.BREAKPOINT:
            self._broke(step, self.m.classify(stop, self.goal))
        if step.instruction.mnemonic == "call" and self._depth >= detail:
            self._run_over(step)

    def _repeat(self, step: Step) -> Stop:
        """`rep`: go on until it is done, or something comes in between."""
        session, here = self.m.session, step.instruction.address
        stop = None
        if session.gdb.registers().rip == here:
            session.insert(step.instruction.end)
            handlers = self._handlers()
            for each in handlers:
                session.insert(each)
            stop = session.run()
            for each in (step.instruction.end, *handlers):
                session.remove(each)
        step.times = max(1, step.before.rcx - session.gdb.registers().rcx)
        return stop or Stop(Ending.BREAKPOINT, session.gdb.registers().rip)

    def _handlers(self) -> list[int]:
        """Where the gates of the exceptions lead."""
        base = self.m.system.idtr
        found = set()
        regs = self.m.regs
        for vector in range(min(32, (base.limit + 1) // 16)):
            pa = self.translate(base.base + 16 * vector, regs)
            if pa is not None:
                low, high = self.m.phys.u64(pa), self.m.phys.u64(pa + 8)
                found.add(low & 0xFFFF | low >> 32 & 0xFFFF_0000 | (high & 0xFFFF_FFFF) << 32)
        return sorted(found - {0})

    def _run_over(self, step: Step) -> None:
        """Let a function run to its return; whatever else comes is a Failure, or an end."""
        inside = self.m.regs
        if inside.rip in self.never_returns:
            return
        back = step.instruction.end
        step.over = self.places.function(inside.rip)
        mask = (1 << 64) - 1 if step.instruction.bits == 64 else 0xFFFF_FFFF
        while True:
            at = self.m.run_to(back, *self._ends, *self.never_returns,
                               goal=f"{step.over} returns")
            regs = self.m.regs
            if at != back or regs.rsp & mask >= step.before.rsp & mask:
                return

    def _broke(self, step: Step, failure: Failure) -> None:
        """The machine does not go on: the last step is the one that it broke at."""
        if not self.m.session.over:
            step.after = self.m.session.gdb.registers()
        step.events = list(self.m.session.log.interrupts)[-3:]
        step.fault = True
        step.say = failure.seen
        self._finish(step)
        raise Over(failure, failure.seen)

    def _end_at(self, name: str) -> None:
        """The kernel gives up: in its own words, which it still has to print. Or it gives the
        program up."""
        self._mark_fault()
        if name == KILLED:
            signal = self.regs.rdi
            seen = f"the kernel ends the program by signal {signal} ({signal_name(signal)})"
            raise Over(Failure(Outcome.WRONG, seen, self.goal), seen)
        stop = self.m.run_to_stop()
        failure = self.m.classify(stop, self.goal)
        raise Over(failure, failure.seen)

    def _mark_fault(self) -> None:
        """The step that the end came of: the last exception, or else the last step."""
        for step in reversed(self.steps):
            if step.delivered and any(each.vector < 32 and not each.software
                                      for each in step.events):
                step.fault = True
                return
        if self.steps:
            self.steps[-1].fault = True

    def _stop_after_double_fault(self, step: Step) -> None:
        number = len(self.steps)
        if step.delivered and any(each.vector == DOUBLE_FAULT for each in step.events):
            step.fault = True
            self._double_fault = number
        if 0 <= self._double_fault <= number - AFTER_DOUBLE_FAULT:
            stop = self.m.run_to_stop()
            failure = self.m.classify(stop, self.goal)
            raise Over(failure, failure.seen)

    # What it did

    def _hear(self, step: Step, total: int) -> None:
        """Which exceptions and interrupts the processor has delivered."""
        log = self.m.session.log
        count = log.total - total
        if not count or step.over:
            return
        step.events = list(log.interrupts)[-count:]
        step.delivered = True

    def _words(self, instruction: Instruction, regs: Registers) -> dict[int, tuple[int, int]]:
        """The words that an instruction names, before it: va: physical address, value."""
        found = {}
        for access in instruction.accesses:
            for va in words_of(access):
                pa = self.translate(va, regs)
                if pa is not None and self.m.phys.contains(pa, WORD):
                    found[va] = pa, self.m.phys.u64(pa)
        return found

    def _note_memory(self, step: Step, known: dict[int, tuple[int, int]]) -> None:
        """Reads and writes, and the labels of what was written."""
        instruction, labels = step.instruction, self.labels
        who = self.places.function(instruction.address).split("+")[0]
        step.reads = [each for each in instruction.accesses if not each.written]
        for each in step.reads:
            if each.va in known:
                step.source = labels.words.get(known[each.va][0])
        moved = stack_access(instruction, step.before, step.after)
        if moved and not moved.written:
            pa = self.translate(moved.va, step.before)
            step.source = labels.words.get(pa) if pa is not None else None
            step.reads.append(moved)
        if step.over:
            self._changed_meanwhile(step)
            return
        for access in instruction.accesses:
            if access.written:
                source = labels.stored(instruction, who)
                self._note_write(step, access, known, step.source if instruction.mnemonic == "pop"
                                 and step.source else source)
        if moved and moved.written:
            returns = self.places.function(instruction.end)
            label = labels.pushed(instruction, step.source, who, returns)
            self._note_write(step, moved, {}, label)

    def _note_write(self, step: Step, access: Access, known: dict[int, tuple[int, int]],
                    label: Label) -> None:
        for va in words_of(access):
            pa = self.translate(va, step.after)
            if pa is None or not self.m.phys.contains(pa, WORD):
                continue
            value = self.m.phys.u64(pa)
            shown, before = self._memory.get(pa, (va, value))
            before = known[va][1] if va in known else before
            was = self.labels.words.get(pa, Label("", "")).what
            self.labels.words[pa] = label
            self._memory[pa] = shown, value
            step.writes.append(Write(shown, pa, access.size, before, value, label,
                                     self._pages.get(pa & -PAGE, ""), was))
            self.spaces.written(pa)

    def _changed_meanwhile(self, step: Step) -> None:
        """Words that the film shows, and that were changed while it did not look."""
        who = step.over.split("+")[0] if step.over else UNFILMED
        for pa, (va, value) in list(self._memory.items()):
            now = self.m.phys.u64(pa)
            if now != value:
                label = Label("", who)
                self.labels.words[pa] = label
                self._memory[pa] = va, now
                step.writes.append(Write(va, pa, WORD, value, now, label,
                                         self._pages.get(pa & -PAGE, "")))
        for each in self.spaces.found.values():
            each.dirty = True

    def _follow(self, step: Step) -> None:
        """Labels, rings and calls."""
        before, after, labels = step.before, step.after, self.labels
        old = dict(labels.registers)
        if step.delivered:
            self._note_frame(step)
        else:
            changed = {name for name in GENERAL if getattr(before, name) != getattr(after, name)}
            labels.executed(step.instruction, step.source, changed)
            if before.cpl and not after.cpl:
                labels.into_ring0(syscall=True)
            if step.instruction.mnemonic == "iretq" and not after.cpl:
                self._rsp_from_frame(before)
        if after.cpl and not before.cpl:
            labels.out_of_ring0()
            self._depth = 0
        step.names = {name: labels.registers.get(name, "") for name in GENERAL
                      if labels.registers.get(name) != old.get(name)}
        mnemonic = step.instruction.mnemonic
        step.depth = self._depth
        if not step.over and not step.delivered:
            self._depth = max(0, self._depth + (mnemonic == "call") - (mnemonic == "ret"))

    def _rsp_from_frame(self, before: Registers) -> None:
        """IRETQ in ring 0 gives RSP back, and with it what is known of it."""
        pa = self.translate(before.rsp + WORD * FRAME_RSP, before)
        label = self.labels.words.get(pa) if pa is not None else None
        if label:
            self.labels.registers["rsp"] = label.what

    def _note_frame(self, step: Step) -> None:
        """The frame that the processor has pushed for an exception or interrupt."""
        event, before, after = step.events[-1], step.before, step.after
        with_error = event.vector in WITH_ERROR_CODE and not event.software and not event.hardware
        whose = "program" if before.cpl else "kernel"
        rsp = "" if before.cpl else self.labels.registers.get("rsp", "")
        if before.cpl:
            self.labels.into_ring0(syscall=False)
        self.labels.event(with_error)
        first = -1 if with_error else 0
        for index in reversed(range(first, 5)):
            access = Access(after.rsp + WORD * (index - first), WORD, True)
            label = self.labels.frame(index, whose)
            if index == FRAME_RSP and rsp:
                label = label._replace(what=rsp)
            self._note_write(step, access, {}, label)

    # The picture that it leaves

    def _finish(self, step: Step) -> None:
        number = len(self.steps)
        self._look(step.after, number, step)
        step.entry = self._entry(step)
        step.say = step.say or sentences.say(step, self)
        self.steps.append(step)

    def _entry(self, step: Step) -> str:
        """The entry of a page table that a step is about: one that it changes; and one that it
        reads for the first time."""
        for write in step.writes:
            slot = self.spaces.slot(write.pa)
            if slot and write.before != write.value and not step.over and not step.cut:
                return str(slot)
        if not self.reads_of_tables or not step.reads:
            return ""
        pa = self.translate(step.reads[0].va, step.before)
        slot = self.spaces.slot(pa) if pa is not None else None
        last = next((each.entry for each in reversed(self.steps) if each.entry), "")
        return str(slot) if slot and str(slot) != last else ""

    def _look(self, regs: Registers, number: int, step: Step | None = None
              ) -> tuple[Space | None, Stack]:
        """Where the machine is now: its tables, its stack."""
        mask = (1 << 64) - 1 if regs.efer >> 10 & 1 else 0xFFFF_FFFF
        space = self.spaces.space(regs.cr0, regs.cr3)
        new = space is not None and not space.maps
        quiet = step is None or not any(self.spaces.slot(each.pa) for each in step.writes)
        if new or quiet:
            self.spaces.refresh(number)
        stack = self._whose(self.places.stack(regs.rsp & mask, regs.cpl), space)
        if stack.name not in self.stacks:
            self.stacks[stack.name] = stack
            self._see_older(stack, regs, regs.rsp & mask, step)
        if step:
            step.space, step.stack = space, stack
            self._know_pages(stack, step)
        return space, stack

    def _whose(self, stack: Stack, space: Space | None) -> Stack:
        """From lab 5 on there are several programs, with stacks at one address."""
        if stack.owner == PROGRAM and space and self.places.number >= 5 and "'s " in space.name:
            return replace(stack, name=f"{space.name[0]}'s {stack.name.partition(' ')[2]}")
        return stack

    def _know_pages(self, stack: Stack, step: Step) -> None:
        """Words that have just been written to a stack are its words."""
        for number, write in enumerate(step.writes):
            if not write.stack and stack.bottom <= write.va < stack.top:
                self._pages[write.pa & -PAGE] = stack.name
                step.writes[number] = write._replace(stack=stack.name)

    def _see_older(self, stack: Stack, regs: Registers, rsp: int, step: Step | None) -> None:
        """What lies on a stack that the film comes to, above RSP."""
        fresh = {each.va for each in step.writes} if step else set()
        found = self.older.setdefault(stack.name, {})
        for va in range(rsp & -WORD, min(stack.top, (rsp & -WORD) + OLDER * WORD), WORD):
            pa = self.translate(va, regs)
            if pa is None or not self.m.phys.contains(pa, WORD):
                break
            value = self.m.phys.u64(pa)
            self._memory.setdefault(pa, (va, value))
            self._pages[pa & -PAGE] = stack.name
            if va not in fresh:
                found[va] = value

    def _know(self, word: Watched, regs: Registers) -> None:
        """A word that is shown all the time."""
        pa = self.translate(word.va, regs)
        if pa is not None and self.m.phys.contains(pa, WORD):
            self._memory[pa] = word.va, self.m.phys.u64(pa)
            self._at_start[word.name] = self.m.phys.u64(pa)

    def watched_at_start(self, word: Watched) -> str:
        """Its value when the film began, in hexadecimal; "" if it was not mapped then."""
        return f"{self._at_start[word.name]:x}" if word.name in self._at_start else ""


def words_of(access: Access) -> range:
    """The addresses of the 8-byte words that an access touches; of a large one, the first few."""
    first = access.va & -WORD
    return range(first, max(first + WORD, min(access.va + access.size, first + 8 * WORD)), WORD)
