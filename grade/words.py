"""The words and the notation that every face uses: film, map, report, and gdb's commands.

Rights are `rwx u`, an address is symbol + offset, a size is in KiB or MiB. Only Python's own
library is used here, and nothing else of the grader: gdb can import this module, too."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

Numbers = Mapping[str, int]  # of layout.h, by name
NameOf = Callable[[int], str]  # the variable or function that an address lies in, or ""

MOST_ERRORS = 4096  # a system call's result above -4096 is an error
ENTRY_FLAGS = {1 << 0: "P", 1 << 1: "W", 1 << 2: "U", 1 << 3: "PWT", 1 << 4: "PCD", 1 << 5: "A",
               1 << 6: "D", 1 << 7: "PS", 1 << 8: "G", 1 << 9: "COW", 1 << 63: "NX"}
RFLAGS = {1 << 0: "CF", 1 << 2: "PF", 1 << 4: "AF", 1 << 6: "ZF", 1 << 7: "SF", 1 << 8: "TF",
          1 << 9: "IF", 1 << 10: "DF", 1 << 11: "OF", 3 << 12: "IOPL", 1 << 14: "NT", 1 << 16: "RF",
          1 << 18: "AC", 1 << 21: "ID"}

# Intel SDM vol. 3A, 2.5 and 2.2.1
CR0 = {1 << 0: "PE", 1 << 1: "MP", 1 << 2: "EM", 1 << 3: "TS", 1 << 4: "ET", 1 << 5: "NE",
       1 << 16: "WP", 1 << 18: "AM", 1 << 29: "NW", 1 << 30: "CD", 1 << 31: "PG"}
CR4 = {1 << 4: "PSE", 1 << 5: "PAE", 1 << 6: "MCE", 1 << 7: "PGE", 1 << 9: "OSFXSR",
       1 << 10: "OSXMMEXCPT", 1 << 11: "UMIP", 1 << 12: "LA57", 1 << 16: "FSGSBASE",
       1 << 17: "PCIDE", 1 << 18: "OSXSAVE", 1 << 20: "SMEP", 1 << 21: "SMAP"}
EFER = {1 << 0: "SCE", 1 << 8: "LME", 1 << 10: "LMA", 1 << 11: "NXE"}


def rights(writable: bool, executable: bool, user: bool) -> str:
    """What a page allows: `rw- u` for a program's data, `r-x` for the kernel's code."""
    return f"r{'w' if writable else '-'}{'x' if executable else '-'}{' u' if user else ''}"


def size(count: int) -> str:
    """A number of bytes."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def number(value: int) -> str:
    """Small ones as people write them, errors by name (`-EFAULT`), others as addresses are."""
    negative = value - (1 << 64)
    if -MOST_ERRORS < negative < 0:
        return f"-{errno.errorcode[-negative]}" if -negative in errno.errorcode else str(negative)
    return str(value) if 0 <= value < 10 else f"{value:#x}"


def flags(value: int, names: dict[int, str]) -> str:
    """The names of the bits that are set, the lowest first."""
    return " ".join(name for bits, name in names.items() if value & bits)


def entry(value: int) -> str:
    """An entry of a page table: where it leads, and its flags."""
    return f"{value & 0x000F_FFFF_FFFF_F000:#x} {flags(value, ENTRY_FLAGS)}" if value & 1 else \
        "not present"


def changed_flags(before: int, after: int) -> str:
    """What a change of an entry does to its flags: `W cleared, COW set`."""
    words = []
    for bit, name in ENTRY_FLAGS.items():
        if (before ^ after) & bit:
            words.append(f"{name} {'set' if after & bit else 'cleared'}")
    return ", ".join(words)


def interrupts(rflags: int) -> str:
    return "on" if rflags & 1 << 9 else "off"


def count(number_: int, thing: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number_} {thing}{'' if number_ == 1 else 's'}"


def entry_rights(value: int) -> str:
    """What one entry allows. A page has what all levels together allow."""
    return rights(bool(value & 2), not value >> 63, bool(value & 4))


def entry_flags(value: int, level: int) -> str:
    """The flags of an entry. Bit 7 of one of level 1 is PAT (Intel SDM vol. 3A, figure 4-11)."""
    return flags(value, {**ENTRY_FLAGS, 1 << 7: "PAT"} if level == 1 else ENTRY_FLAGS)


def selector(value: int, numbers: Numbers) -> str:
    """A segment selector."""
    names = {numbers["SELECTOR_KERNEL_CODE"]: "kernel code",
             numbers["SELECTOR_KERNEL_DATA"]: "kernel data", numbers["SELECTOR_TSS"]: "TSS",
             numbers["USER_SS"]: "user data", numbers["USER_CS"]: "user code", 0: "null"}
    return f"{value:#x} ({names.get(value, 'none of ours')})"


# The stacks of lab 6's entry area, by their tops in layout.h.
ENTRY_STACKS = {"ENTRY_STACK_TOP": "entry stack", "ENTRY_NMI_TOP": "NMI's stack",
                "ENTRY_DEBUG_TOP": "#DB's stack", "ENTRY_DOUBLE_FAULT_TOP": "#DF's stack",
                "ENTRY_MACHINE_CHECK_TOP": "#MC's stack"}


def region(address: int, numbers: Numbers, name_of: NameOf) -> str:
    """What lies at an address, as far as the layout says."""
    if address < numbers["USER_END"]:
        inside = numbers["USER_STACK_LIMIT"] <= address < numbers["USER_STACK_TOP"]
        return "program's stack" if inside else "program"
    if 0 <= address - numbers["WINDOW_BASE"] < numbers["WINDOW_SIZE"]:
        return "window"
    slot = numbers["STACK_SIZE"] + numbers["STACK_GUARD_SIZE"]
    which, offset = divmod(address - numbers["KERNEL_STACKS_BASE"], slot)
    if 0 <= which < numbers["KERNEL_STACKS"]:
        guard = "guard of " if offset < numbers["STACK_GUARD_SIZE"] else ""
        return f"{guard}kernel stack {which}"
    if address >= numbers["TRAMPOLINE_VADDR"]:
        return _entry_area(address, numbers)
    if 0 <= address - numbers["KERNEL_BASE"] < numbers["IMAGE_LIMIT"]:
        return _image(address, name_of)
    return "nothing of ours"


def _entry_area(address: int, numbers: Numbers) -> str:
    """The pages of lab 6's entry area."""
    page = address & -numbers["PAGE_SIZE"]
    code = numbers["ENTRY_CODE_PAGES"] * numbers["PAGE_SIZE"]
    if page < numbers["TRAMPOLINE_VADDR"] + code:
        return "entry code"
    names = {"ENTRY_IDT": "IDT", "ENTRY_GDT": "GDT and TSS", "ENTRY_PERCPU": "struct percpu"}
    places = {**{numbers[name]: what for name, what in names.items()},
              **{numbers[top] - numbers["PAGE_SIZE"]: what for top, what in ENTRY_STACKS.items()}}
    return places.get(page, "guard in the entry area")


def _image(address: int, name_of: NameOf) -> str:
    """The kernel's image, or one of the stacks in it."""
    name = name_of(address).partition("+")[0]
    stacks = {"boot_stack": "boot stack", "nmi_stack": "NMI's stack", "debug_stack": "#DB's stack",
              "double_fault_stack": "#DF's stack", "machine_check_stack": "#MC's stack"}
    return stacks.get(name, "kernel image")


def stack(rsp: int, numbers: Numbers, name_of: NameOf) -> str:
    """Whose stack RSP is on, in a word: `kernel 0`, `entry`, `program`. An empty stack's RSP is its
    end: what is asked is what lies just below."""
    below = region(rsp - 1 & (1 << 64) - 1, numbers, name_of)
    return "program" if below == "program" else below.replace("'s stack", "").replace(" stack", "")
