"""Back in time: in a replay (make rewind) gdb goes backwards, and rung-last finds who wrote a word.

The end of a recording is one instruction too far for QEMU: beyond it nothing goes backwards any
more. So each way forward ends before it."""

import contextlib
import re

import gdb

from common.gdb.machine import (KERNEL_BASE, LOST, NUMBERS, WORD, Command, instruction,
                                kernel_bytes, lost, move, number, packet, register, translate,
                                where)
from grade.outcome import Failure

FORWARD = ("continue", "step", "stepi", "next", "nexti", "finish", "until", "advance")
BACKWARD = ("reverse-continue", "reverse-step", "reverse-stepi", "reverse-next", "reverse-nexti",
            "reverse-finish")
THE_END = "The recording ends here. Backwards: reverse-stepi, rung-last ADDRESS"
ONE_MORE = "The recording ends with the next instruction: stepi"
BANNER = """\
Type, to go back:
  reverse-stepi (rsi)  one instruction     reverse-next (rn)  a line, over calls
  reverse-step (rs)    a line, into calls  reverse-finish     to this call
  break trap, then reverse-continue (rc)   to the last time it came to trap
  rung-last ADDRESS    to the instruction that wrote the word there last
To look: bt, rung-state, rung-walk ADDRESS, rung-step -5 (five instructions
back). Forwards again: stepi, next, continue. To leave: quit."""
SHOWN = 8  # functions, on arrival

replay = None  # the Replay that this gdb is attached to


def position():
    """The number of the instruction that is next; None outside a replay."""
    said = gdb.execute("monitor info replay", to_string=True)
    found = re.search(r"Replaying execution .*instruction count = (\d+)", said, re.DOTALL)
    return int(found[1]) if found else None


class Replay:
    """Where the recording ends. `fault`: at an instruction that was begun and never done."""

    def __init__(self, end, fault):
        self.last, self.fault = end - 1, fault

    def arrive(self):
        """From the instruction before the end to the one at the end. The first reverse-stepi makes
        QEMU ready for the others; what is one instruction is certain to stop."""
        move("bs")
        for _ in range(2 if self.fault else 1):
            move("s")
        if not self.fault and position() != self.last:
            lost.append("one too far")
            raise gdb.GdbError(LOST)

    def guard(self, going):
        """Before one of gdb's ways: may it be gone, and where does it end at the latest?"""
        here = position()
        if going in BACKWARD:
            if here == 0:
                raise gdb.GdbError("The recording begins here. Forwards: stepi, continue")
        elif here < self.last:
            gdb.execute(f"monitor replay_break {self.last}", to_string=True)
        elif here > self.last or not self.fault:
            raise gdb.GdbError(THE_END)
        elif going != "stepi":
            raise gdb.GdbError(ONE_MORE)

    def on_stop(self, event):
        """QEMU stops at the end as if somebody had interrupted it."""
        if getattr(event, "stop_signal", "") == "SIGINT" and position() == self.last:
            print(ONE_MORE if self.fault else THE_END)


class Guard(Command):
    """rung-guard COMMAND: what gdb calls before each way, forwards or backwards."""

    name = "rung-guard"

    def run(self, going):
        if replay:
            replay.guard(going)


class Rewind(Command):
    """rung-rewind END KIND: what make rewind calls: stand where the recording ends, and say what
    can be typed."""

    name = "rung-rewind"

    def run(self, end, kind):
        global replay
        arriving = Replay(int(end), kind == "fault")
        arriving.arrive()
        replay = arriving
        gdb.events.stop.connect(replay.on_stop)
        for command in FORWARD + BACKWARD:
            gdb.execute(f"define hook-{command}\nrung-guard {command}\nend")
        gdb.execute(f"backtrace {SHOWN}")
        print(f"next: {instruction(register('rip'))}\n\n{BANNER}")


class Last(Command):
    """rung-last ADDRESS: back to the instruction that wrote the word (8 bytes) at ADDRESS last."""

    name = "rung-last"

    def run(self, address):
        here, target = position(), number(address)
        if here is None:
            raise gdb.GdbError("rung-last goes back in time, which only a replay can: make rewind")
        now, names = word(target), names_of_word(target)
        if not last_write(names):
            forwards_to(here)
            print(f"Nobody has written the word at {target:#x} so far: it is {now}, as it was\n"
                  "when the recording began. You are where you were.")
            return
        rip = register("rip")
        print(f"The word at {target:#x} was {now}. Before, it was {word(target)}.\nThis "
              f"instruction writes it, and is next:\n  {where(rip)}: {instruction(rip)}")
        gdb.execute("frame")


def last_write(names):
    """Go back to the last instruction that writes to one of these addresses; False if there is
    none. QEMUs stop before it or after it: so one instruction is done again, to see which."""
    with watched(names):
        move("bc")
    if position() == 0:
        return False
    move("bs")
    with watched(names):
        wrote = "watch" in move("s")
    if wrote:
        move("bs")
    return True


@contextlib.contextmanager
def watched(names):
    """Watchpoints on the words with these addresses."""
    points = [f"2,{address:x},8" for address in names]
    for point in points:
        packet(f"Z{point}")
    try:
        yield
    finally:
        for point in points:
            packet(f"z{point}")


def forwards_to(here):
    """From the start of the recording to an instruction."""
    last = min(here, replay.last if replay else here)
    gdb.execute(f"monitor replay_break {last}", to_string=True)
    move("c")
    for _ in range(here - last):
        move("s")


def word(address):
    """What lies there now, or that it cannot be read here."""
    with contextlib.suppress(gdb.GdbError, gdb.error, Failure):
        return f"{int.from_bytes(kernel_bytes(address, 8), 'little'):#x}"
    return "not mapped"


def names_of_word(address):
    """The addresses by which a word can be written: its own; through the window on physical memory;
    in the image; and before there is paging."""
    if not register("cr0") >> 31:
        physical = address
    else:
        found = translate(address)
        if not found:
            return [address]
        physical = found.pa
    others = [NUMBERS["WINDOW_BASE"] + physical, physical]
    if physical < NUMBERS["IMAGE_LIMIT"]:
        others.append(KERNEL_BASE + physical)
    return list(dict.fromkeys([address, *(other & WORD for other in others)]))


Guard()
Rewind()
Last()
