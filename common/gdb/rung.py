"""Rung's gdb commands. gdb sources this file (make gdb, make debug, make rewind).

They know the kernel only through its debug information, and ask QEMU for what gdb cannot see:
physical memory and system registers. So they work in every lab, on any page tables, in ring 3 too.
A module each for what is looked at: tables, traps, the state of the processor, processes, time."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is written outside build/
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.gdb import back, processes, settings, state, tables, traps  # noqa: E402, F401
