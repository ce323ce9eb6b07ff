"""Lab 1: from the boot loader to exceptions that explain themselves. What earns points.

The kernel of a student is complete up to some exercise and stops at the next one, so every check
stops it at the first place where its own subject is done, and looks at the machine there."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from grade.check import check, equal, expect
from grade.lab import Lab
from grade.lab1 import segments
from grade.lab1.boot_info import Information, random_information
from grade.lab1.grub import disc
from grade.lab1.uart import LOOPBACK, FIFO_ENABLE, NoUart, Uart, call_with
from grade.machine import Call, Interrupt, Machine, Mapping, Module, Registers
from grade.machine import paging
from grade.machine.session import Ending

PAGE = 0x1000
LARGE = 0x200000
GIGABYTE = 1 << 30
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
GENERAL = ("r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
           "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax")
FRAME = (*GENERAL, "vector", "error", "rip", "cs", "rflags", "rsp", "ss")
FRAME_SIZE = 8 * len(FRAME)

CF, PF, AF, ZF, SF, TF, DF, OF = (1 << bit for bit in (0, 2, 4, 6, 7, 8, 10, 11))
IF, RF, ID = 1 << 9, 1 << 16, 1 << 21
FIXED = 1 << 1
HARMLESS = (CF, PF, AF, ZF, SF, DF, OF, ID)

DE, DB, NMI, BP, UD, DOUBLE_FAULT, NP, GP, PAGE_FAULT, MC = 0, 1, 2, 3, 6, 8, 11, 13, 14, 18
WITH_ERROR_CODE = (8, 10, 11, 12, 13, 14, 17, 21, 29, 30)  # SDM vol. 3A table 6-1, APM vol. 2 8-1

# mov al, 0x99; out 0xf4, al: a way to see at once that the processor came here
LEAVE = bytes.fromhex("b099e6f4")
