"""How gdb speaks: instructions as nasm writes them, and the end of a machine in words."""

import itertools

import gdb

from common.gdb.machine import register, where
from grade.machine import paging

SHUT_DOWN = "SIGQUIT"  # as which QEMU reports that the machine has stopped for ever
RESET = """\
The machine has stopped for ever, here: {}
Either it was switched off, or it reset itself because of a triple fault: an exception that could
not be delivered, nor the double fault after it. The registers are as they were before it.
`make grade` explains the chain of exceptions; `make rewind` goes back from there."""
BREAKPOINTS_BEFORE_THE_KERNEL = "set trust-readonly-sections"


def on_stop(event):
    """Say what gdb's own words leave open. And as soon as the kernel runs, memory is believed, and
    not the file any more: memory may be damaged."""
    if getattr(event, "stop_signal", "") == SHUT_DOWN:
        print(RESET.format(where(register("rip"))))
    if register("cr0") >> 31:
        gdb.execute(f"{BREAKPOINTS_BEFORE_THE_KERNEL} off")


class EndOfTheKernel:
    """A backtrace ends where the kernel began: boot.asm gave that a return address of 0. Before, on
    a loader's stack, what follows is no address at all."""

    name, priority, enabled = "rung", 100, True

    @staticmethod
    def filter(frames):
        def is_one(pc):
            return pc and paging.canonical(pc & (1 << 48) - 1) == pc
        return itertools.takewhile(lambda each: is_one(each.inferior_frame().pc()), frames)


gdb.frame_filters["rung"] = EndOfTheKernel()
gdb.execute("set disassembly-flavor intel")
# A breakpoint is set behind a function's first instructions, which gdb reads: before the kernel is
# in memory they are in its file only.
gdb.execute(f"{BREAKPOINTS_BEFORE_THE_KERNEL} on")
gdb.events.stop.connect(on_stop)
