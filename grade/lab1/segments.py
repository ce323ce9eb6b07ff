"""Exercises 1.4 and 1.5: descriptors and gates taken apart into named fields (Intel SDM vol. 3A
3.4.5, 6.14.1, 7.2.3).

Fields that long mode ignores are left out; those that it wants to be zero are called reserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

Fields = dict[str, Union[int, str]]

INTERRUPT_GATE = 0xE
KINDS = {0x9: "available 64-bit TSS", 0xB: "busy 64-bit TSS", INTERRUPT_GATE: "interrupt gate",
         0xF: "trap gate", 0x2: "LDT", 0xC: "call gate", 0x5: "task gate (16/32-bit only)"}


def bits(value: int, first: int, last: int) -> int:
    """The bits first..last of a value."""
    return value >> first & (1 << last - first + 1) - 1


def kind(number: int) -> str:
    """The type field of a system descriptor in words."""
    return KINDS.get(number, f"system type {number:#x}")


def segment(descriptor: int) -> Fields:
    """A code or data descriptor. Base, limit, G, A and AVL do nothing in 64-bit mode."""
    code = bool(bits(descriptor, 43, 43))
    fields: Fields = {
        "P (present, bit 47)": bits(descriptor, 47, 47),
        "S (not a system segment, bit 44)": bits(descriptor, 44, 44),
        "the type (bit 43)": "code" if code else "data",
        "DPL (bits 45-46)": bits(descriptor, 45, 46),
        "R (readable, bit 41)" if code else "W (writable, bit 41)": bits(descriptor, 41, 41),
        "C (conforming, bit 42)" if code else "E (expand-down, bit 42)": bits(descriptor, 42, 42),
        "L (64-bit code, bit 53)": bits(descriptor, 53, 53)}
    if code:
        fields["D (32-bit default, bit 54: must be 0 beside L)"] = bits(descriptor, 54, 54)
    return fields


def code(dpl: int) -> Fields:
    """What a code descriptor for a ring must be."""
    return segment(1 << 47 | 1 << 44 | 1 << 43 | 1 << 41 | 1 << 53 | dpl << 45)


def data(dpl: int) -> Fields:
    """What a data descriptor for a ring must be."""
    return segment(1 << 47 | 1 << 44 | 1 << 41 | dpl << 45)


def tss(low: int, high: int) -> Fields:
    """A TSS descriptor: 16 bytes."""
    return {
        "P (present, bit 47)": bits(low, 47, 47),
        "S (not a system segment, bit 44)": bits(low, 44, 44),
        "the type (bits 40-43)": kind(bits(low, 40, 43)),
        "DPL (bits 45-46)": bits(low, 45, 46),
        "the limit (bits 0-15 and 48-51)": bits(low, 0, 15) | bits(low, 48, 51) << 16,
        "G (limit counts pages, bit 55)": bits(low, 55, 55),
        "bits 53-54 (reserved)": bits(low, 53, 54),
        "base bits 0-23 (bits 16-39)": bits(low, 16, 39),
        "base bits 24-31 (bits 56-63)": bits(low, 56, 63),
        "base bits 32-63 (second slot, bits 0-31)": bits(high, 0, 31),
        "second slot, bits 32-63 (reserved)": bits(high, 32, 63)}


def tss_for(base: int, busy: bool) -> Fields:
    """What the descriptor of a TSS at base must be."""
    low = (1 << 47 | 103 | (0xB if busy else 0x9) << 40 | bits(base, 0, 23) << 16
           | bits(base, 24, 31) << 56)
    return tss(low, base >> 32)


def gate(low: int, high: int) -> Fields:
    """A gate of the IDT: 16 bytes."""
    return {
        "P (present, bit 47)": bits(low, 47, 47),
        "the type (bits 40-44)": kind(bits(low, 40, 44)),
        "DPL (bits 45-46)": bits(low, 45, 46),
        "the selector (bits 16-31)": bits(low, 16, 31),
        "IST (bits 32-34)": bits(low, 32, 34),
        "bits 35-39 (reserved)": bits(low, 35, 39),
        "offset bits 0-15 (bits 0-15)": bits(low, 0, 15),
        "offset bits 16-31 (bits 48-63)": bits(low, 48, 63),
        "offset bits 32-63 (bits 64-95)": bits(high, 0, 31),
        "bits 96-127 (reserved)": bits(high, 32, 63)}


def gate_for(selector: int, handler: int, ist: int, dpl: int) -> Fields:
    """What an interrupt gate must be."""
    low = (1 << 47 | INTERRUPT_GATE << 40 | dpl << 45 | selector << 16 | ist << 32
           | bits(handler, 0, 15) | bits(handler, 16, 31) << 48)
    return gate(low, handler >> 32)


def difference(seen: Mapping[str, Union[int, str]],
               expected: Mapping[str, Union[int, str]]) -> tuple[str, str] | None:
    """The first field that differs: what is seen and what is expected, in words."""
    for name, value in expected.items():
        found = seen.get(name)
        if found != value:
            return f"{name} is {_show(found)}", f"{name} is {_show(value)}"
    return None


def _show(value: Union[int, str, None]) -> str:
    if value is None:
        return "missing"
    return hex(value) if isinstance(value, int) and value > 9 else str(value)
