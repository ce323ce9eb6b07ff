"""One vocabulary and one notation, for the report, maps, films and gdb's commands.

Only Python's own library is used here: gdb, whose Python has nothing else, reads this too. Numbers
of layout.h come as a mapping from their names, and names of the kernel from a function that says
which variable or function an address lies in (`name`, `name+0x12` or "")."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

Numbers = Mapping[str, int]
NameOf = Callable[[int], str]

PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1 << 0, 1 << 1, 1 << 2, 1 << 7, 1 << 63
COPY_ON_WRITE = 1 << 9
RING = 3  # the bits of CS that are the ring

# Intel SDM vol. 3A, figure 4-11. Bit 7 is PS in a table's entry, and PAT in one of level 1.
ENTRY_BITS = {0: "P", 1: "W", 2: "U", 3: "PWT", 4: "PCD", 5: "A", 6: "D", 8: "G", 63: "NX"}
# Intel SDM vol. 1, 3.4.3
FLAG_BITS = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF",
             14: "NT", 16: "RF", 17: "VM", 18: "AC", 21: "ID"}
CR0_BITS = {0: "PE", 1: "MP", 2: "EM", 3: "TS", 4: "ET", 5: "NE", 16: "WP", 18: "AM", 29: "NW",
            30: "CD", 31: "PG"}
CR4_BITS = {4: "PSE", 5: "PAE", 6: "MCE", 7: "PGE", 9: "OSFXSR", 10: "OSXMMEXCPT", 11: "UMIP",
            12: "LA57", 16: "FSGSBASE", 17: "PCIDE", 18: "OSXSAVE", 20: "SMEP", 21: "SMAP"}
EFER_BITS = {0: "SCE", 8: "LME", 10: "LMA", 11: "NXE"}


def names_of(bits: Mapping[int, str], value: int) -> str:
    """The bits that are set, by their names, and the others by their numbers."""
    odd = [f"bit {number}" for number in range(64)
           if value >> number & 1 and number not in bits]
    return " ".join([*(name for number, name in bits.items() if value >> number & 1), *odd])


def entry_bits(entry: int, level: int) -> str:
    """The flags of a page-table entry of a level."""
    names = {**ENTRY_BITS, 7: "PAT" if level == 1 else "PS", COPY_ON_WRITE.bit_length() - 1: "COW"}
    return names_of(names, entry & ~0x000F_FFFF_FFFF_F000)


def flag_bits(rflags: int) -> str:
    """RFLAGS in words; bit 1 is always set, and says nothing."""
    level = rflags >> 12 & 3
    return names_of(FLAG_BITS, rflags & ~(1 << 1 | 3 << 12)) + (f" IOPL={level}" if level else "")


def rights(writable: bool, executable: bool, user: bool) -> str:
    """What may be done with a page: `rwx u` by ring 3, `rwx s` by the kernel alone."""
    return f"r{'w' if writable else '-'}{'x' if executable else '-'} {'u' if user else 's'}"


def entry_rights(entry: int) -> str:
    """What one entry permits. It takes all levels to have it."""
    return rights(bool(entry & WRITABLE), not entry & NO_EXECUTE, bool(entry & USER))


def place(name: str, offset: int) -> str:
    """`name` or `name+0x12`."""
    return f"{name}+{offset:#x}" if offset else name


def size(count: int) -> str:
    """A number of bytes, in the unit in which it is whole."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >> shift and not count & (1 << shift) - 1:
            return f"{count >> shift} {unit}"
    return f"{count} bytes"


def result(value: int) -> str:
    """What a system call returned: a number, or -EFAULT and the like."""
    value &= (1 << 64) - 1
    number = (1 << 64) - value
    return f"-{errno.errorcode[number]}" if number in errno.errorcode else str(value)


def selector(value: int, numbers: Numbers) -> str:
    """A segment selector in words."""
    names = {numbers["SELECTOR_KERNEL_CODE"]: "kernel code",
             numbers["SELECTOR_KERNEL_DATA"]: "kernel data", numbers["SELECTOR_TSS"]: "TSS",
             numbers["USER_SS"]: "user data", numbers["USER_CS"]: "user code", 0: "null"}
    return f"{value:#x} ({names.get(value, 'none of ours')})"


# ---- What lies at an address.

def region(address: int, numbers: Numbers, name_of: NameOf) -> str:
    """What an address is, by where it lies."""
    if address < numbers["USER_END"]:
        inside = numbers["USER_STACK_LIMIT"] <= address < numbers["USER_STACK_TOP"]
        return "program's stack" if inside else "program"
    if 0 <= address - numbers["WINDOW_BASE"] < numbers["WINDOW_SIZE"]:
        return "window"
    slot = numbers["STACK_SIZE"] + numbers["STACK_GUARD_SIZE"]
    number, inside = divmod(address - numbers["KERNEL_STACKS_BASE"], slot)
    if 0 <= number < numbers["KERNEL_STACKS"]:
        guard = " (guard)" if inside < numbers["STACK_GUARD_SIZE"] else ""
        return f"kernel stack {number}{guard}"
    if address >= numbers["TRAMPOLINE_VADDR"]:
        return _entry_area(address, numbers)
    if 0 <= address - numbers["KERNEL_BASE"] < numbers["IMAGE_LIMIT"]:
        name = name_of(address).partition("+")[0]
        return name.replace("_", " ") if name.endswith("_stack") else "image"
    return "nothing of ours"


def _entry_area(address: int, numbers: Numbers) -> str:
    """The pages of lab 6's entry area."""
    page = address & -numbers["PAGE_SIZE"]
    if page < numbers["TRAMPOLINE_VADDR"] + numbers["ENTRY_CODE_PAGES"] * numbers["PAGE_SIZE"]:
        return "entry code"
    tables = {numbers["ENTRY_IDT"]: "entry IDT", numbers["ENTRY_GDT"]: "entry GDT and TSS",
              numbers["ENTRY_PERCPU"]: "percpu"}
    stacks = {numbers[f"ENTRY_{name}_TOP"] - numbers["PAGE_SIZE"]:
              f"{name.lower().replace('_', ' ')} stack"
              for name in ("STACK", "NMI", "DEBUG", "DOUBLE_FAULT", "MACHINE_CHECK")}
    stacks = {page: "entry stack" if name == "stack stack" else name
              for page, name in stacks.items()}
    return {**tables, **stacks}.get(page, "entry area (guard)")


def stack(rsp: int, numbers: Numbers, name_of: NameOf) -> str:
    """Whose stack RSP is on. A stack that is empty begins one past its last byte: there is pushed
    to what lies below."""
    below = region(rsp - 1 & (1 << 64) - 1, numbers, name_of)
    if below.startswith("program"):
        return "program"
    return below[:-len(" stack")] if below.endswith(" stack") else below.replace(" stack", "")
