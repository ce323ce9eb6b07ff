"""The grader's instruments: a virtual machine, and every way to look into it from outside."""

from grade.machine.handover import HandOver
from grade.machine.intlog import Interrupt
from grade.machine.machine import Call, Limits, Machine, Registers, Result, Stop, Value
from grade.machine.multiboot2 import MemoryArea, Module
from grade.machine.paging import Mapping, Translation

__all__ = ["Call", "HandOver", "Interrupt", "Limits", "Machine", "Mapping", "MemoryArea", "Module",
           "Registers", "Result", "Stop", "Translation", "Value"]
