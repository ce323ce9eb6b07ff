"""The scenes: what can be filmed, in which labs, and what to look for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grade.film.recorder import Recorder
from grade.film.stage import Stage, in_ring3
from grade.machine import Registers

INT3 = b"\xcc"
TICK_PATIENCE = 200_000  # steps until the timer must have come
FIRST_STEPS = 6  # of SYSCALL's way in: at one of them the NMI comes, as the seed says
ALL = 99
KERNEL = 2  # how deep calls are filmed, where not all are


@dataclass(frozen=True)
class Scene:
    """A film that can be made. `shoot` brings the machine to its beginning, and films."""

    name: str
    labs: range
    title: str
    about: str  # a sentence: what to look for
    goal: str  # how it ends if all is well
    shoot: Callable[[Stage, str], Recorder]
    programs: tuple[str, ...] = ()


SCENES: list[Scene] = []


def scene(name: str, labs: range, title: str, about: str, goal: str, programs: Sequence[str] = ()
          ) -> Callable[[Callable[[Stage, str], Recorder]], Callable[[Stage, str], Recorder]]:
    def add(shoot: Callable[[Stage, str], Recorder]) -> Callable[[Stage, str], Recorder]:
        SCENES.append(Scene(name, labs, title, about, goal, shoot, tuple(programs)))
        return shoot
    return add


def of_lab(number: int) -> list[Scene]:
    return [each for each in SCENES if number in each.labs]


FROM3, FROM4, FROM5, FROM6 = (range(first, 10) for first in (3, 4, 5, 6))


@scene("boot", range(1, 2), "Boot to long mode",
       "From the boot loader's 32 bits to C at a high address: tables, PAE, LME, PG, and a jump.",
       "the kernel comes to kmain, in 64-bit mode")
def boot(stage: Stage, goal: str) -> Recorder:
    film = stage.recorder(goal)
    film.film(lambda regs: regs.rip == stage.m.sym("kmain"), detail=0)
    return film


@scene("exception", range(1, 3), "An exception, and the way back",
       "The processor pushes five words, a stub two, the common code fifteen; IRETQ ends it.",
       "the kernel goes on after the breakpoint")
def exception(stage: Stage, goal: str) -> Recorder:
    stage.to("trap_register")
    stage.step_to([INT3])
    film = stage.recorder(goal)
    after = stage.m.regs.rip + 1
    film.film(lambda regs: regs.rip == after, detail=KERNEL, after=1)
    return film


@scene("walk", range(2, 3), "The page walk of an address",
       "translate() reads one entry of each level, as the processor does, and adds the offset.",
       "translate() returns")
def walk(stage: Stage, goal: str) -> Recorder:
    stage.to("translate")
    back = stage.m.memory.u64(stage.m.regs.rsp)
    film = stage.recorder(goal)
    film.spaces.watch_tables(stage.m.regs.rdi)
    film.reads_of_tables = True
    film.film(lambda regs: regs.rip == back)
    return film


@scene("first-entry", FROM3, "The first entry to ring 3",
       "IRETQ returns from an interrupt that never was, and no register tells of the kernel.",
       "the program's first instruction runs in ring 3", ["write-int80"])
def first_entry(stage: Stage, goal: str) -> Recorder:
    stage.to("programs_run")
    ready = "enter_usermode_returnable" if stage.lab.number >= 4 else "enter_usermode"
    stage.to(ready if ready in stage.m.symbols else "enter_usermode")
    film = stage.recorder(goal)
    film.film(in_ring3, after=2)
    return film


@scene("int80", FROM3, "A system call by int 0x80",
       "A gate of the IDT: the processor takes another stack and pushes the frame itself.",
       "the program goes on after int 0x80", ["write-int80"])
def int80(stage: Stage, goal: str) -> Recorder:
    return call(stage, goal, ["rax"], detail=3)


@scene("syscall", FROM4, "A system call by SYSCALL",
       "No stack and no frame: the kernel has to find its own stack, through GS.",
       "the program goes on after SYSCALL", ["getpid-syscall"])
def syscall(stage: Stage, goal: str) -> Recorder:
    return call(stage, goal, ["rax", "rcx", "r11"])


def call(stage: Stage, goal: str, changed: Sequence[str], detail: int = ALL) -> Recorder:
    """From before the door to the instruction after it; `changed` are the registers that the door
    may change."""
    stage.to_program("begin")
    stage.m.mask_devices()
    film = stage.recorder(goal)
    film.film(back_at(stage, "after"), detail, after=1)
    film.expect_kept(changed)
    return film


def back_at(stage: Stage, label: str) -> Callable[[Registers], bool]:
    """Ring 3 again, at a place in the program."""
    place = stage.at(label)
    return lambda regs: regs.cpl == 3 and regs.rip == place


def back_in_ring3(film: Recorder) -> Callable[[Registers], bool]:
    """Ring 3 again, wherever: the step before was the kernel's."""
    return lambda regs: regs.cpl == 3 and bool(film.steps) and film.steps[-1].before.cpl == 0


@scene("tick", FROM3, "A tick of the timer",
       "Nobody asked for it: every register must be as it was when the program goes on.",
       "the program goes on where the tick found it", ["spin"])
def tick(stage: Stage, goal: str) -> Recorder:
    stage.to_program("loop")
    film = stage.recorder(goal)
    film.let_interrupts_in(True)
    film.film(lambda regs: regs.cpl == 0, most=TICK_PATIENCE)
    film.let_interrupts_in(False)
    film.forget(3)
    if not film.ended:
        film.film(in_ring3, after=2)
    film.expect_kept([])
    return film


@scene("stack", FROM3, "A page fault that grows the stack",
       "The program writes below its stack; the kernel adds a page, and the same instruction runs "
       "again.", "the instruction that faulted runs again, and works", ["dig"])
def stack(stage: Stage, goal: str) -> Recorder:
    stage.to_program("begin")
    stage.m.mask_devices()
    film = stage.recorder(goal)
    film.film(back_at(stage, "after"), detail=4, after=1)
    film.expect_kept([])
    return film


@scene("boot-return", range(4, 5), "The end of a program: back to the kernel's start",
       "A record on the kernel's stack brings back all that enter_usermode_returnable left behind.",
       "enter_usermode_returnable returns to its caller", ["leave"])
def boot_return(stage: Stage, goal: str) -> Recorder:
    stage.to("programs_run")
    stage.to("enter_usermode_returnable")
    back = stage.m.memory.u64(stage.m.regs.rsp)
    stage.to("boot_return_to_kernel")
    film = stage.recorder(goal)
    film.film(lambda regs: regs.rip == back)
    return film


@scene("fork", FROM5, "fork, as the parent and the child see it",
       "One call, two returns: the parent gets the child's number, the child gets 0.",
       "parent and child both come back from fork", ["fork"])
def fork(stage: Stage, goal: str) -> Recorder:
    stage.to_program("begin")
    stage.m.mask_devices()
    film = stage.recorder(goal)
    if film.film(back_at(stage, "after"), detail=KERNEL, after=2):
        if film.cut("the parent goes on to wait4, and the kernel looks for somebody to run",
                    lambda: stage.to("switch_stacks")):
            film.film(in_ring3, detail=KERNEL, after=3)
    return film


@scene("cow", FROM5, "Copy on write",
       "The child writes to a page that it shares: the kernel copies it, and the write is made "
       "again.",
       "the child's write works", ["fork"])
def cow(stage: Stage, goal: str) -> Recorder:
    stage.to_program("begin")
    stage.m.mask_devices()
    stage.to(stage.at("child"))
    film = stage.recorder(goal)
    film.film(back_at(stage, "wrote"), detail=3, after=1)
    return film


@scene("exec", FROM5, "exec: the same process, another program",
       "A new address space is made first; then the old one goes, and with it every register.",
       "the new program's first instruction runs", ["exec", "other"])
def exec_(stage: Stage, goal: str) -> Recorder:
    stage.to_program("begin")
    stage.m.mask_devices()
    film = stage.recorder(goal)
    film.never_returns = [stage.m.sym("enter_usermode")]
    film.film(back_in_ring3(film), detail=2, after=1)
    return film


@scene("switch", FROM5, "From one process to another",
       "Between two kernel stacks lies one instruction; around it everything else is exchanged.",
       "another process goes on in ring 3", ["yield"])
def switch(stage: Stage, goal: str) -> Recorder:
    stage.to_program("_start")
    stage.m.mask_devices()  # a tick would switch, too
    for label in ("after", "after", "door"):
        stage.to(stage.at(label))
    film = stage.recorder(goal)
    film.film(back_in_ring3(film), after=1)
    return film


@scene("nmi", FROM6, "An NMI in the middle of SYSCALL",
       "It comes where GS, tables and stack are half exchanged, and must leave them so.",
       "the program goes on after SYSCALL", ["getpid-syscall"])
def nmi(stage: Stage, goal: str) -> Recorder:
    stage.to_program("begin")
    stage.m.mask_devices()
    film = stage.recorder(goal)
    if film.film(lambda regs: regs.cpl == 0, after=stage.lab.rng.randrange(FIRST_STEPS)):
        stage.m.nmi()
        film.let_interrupts_in(True)
        film.film(lambda regs: bool(film.steps[-1].delivered), most=8)
        film.let_interrupts_in(False)
    if not film.ended:
        film.film(back_at(stage, "after"), detail=1, after=1)
    film.expect_kept(["rax", "rcx", "r11"])
    return film
