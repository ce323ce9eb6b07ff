"""The kernel's structures as the compiler laid them out: a student may add fields of their own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

from grade.machine import Machine
from grade.outcome import Failure, Outcome

KIND = {"DW_TAG_structure_type", "DW_TAG_union_type"}


class Field(NamedTuple):
    """Where a field lies in its structure, and how many bytes it has."""

    offset: int
    size: int


class Layout(NamedTuple):
    """A structure: its size, and its fields; those of an inner one are named `outer.inner`."""

    size: int
    fields: dict[str, Field]


@functools.lru_cache(maxsize=None)
def _layout(kernel: Path, changed: int, unit: str, name: str) -> Layout:
    """`unit` is the source file that is asked: to read the types of all takes a second."""
    with kernel.open("rb") as file:
        for each in ELFFile(file).get_dwarf_info().iter_CUs():
            top = each.get_top_DIE()
            if top.attributes["DW_AT_name"].value.decode().rpartition("/")[2] != unit:
                continue
            for die in top.iter_children():
                if die.tag in KIND and _name(die) == name and "DW_AT_byte_size" in die.attributes:
                    return Layout(_number(die, "DW_AT_byte_size"), dict(_fields(die, 0, "")))
    raise Failure(Outcome.WRONG, f"{unit} knows no struct {name}", f"the lab's struct {name}",
                  "the lab's interface header lists what must stay")


def _fields(structure: Any, base: int, prefix: str) -> Iterator[tuple[str, Field]]:
    for member in structure.iter_children():
        if member.tag != "DW_TAG_member":
            continue
        kind = _kind(member)
        offset = base + _number(member, "DW_AT_data_member_location")
        name = _name(member)
        if name:
            yield prefix + name, Field(offset, _size(kind))
        if kind.tag in KIND:
            yield from _fields(kind, offset, f"{prefix}{name}." if name else prefix)


def _kind(die: Any) -> Any:
    """The type of a field, whatever it is called."""
    kind = die.get_DIE_from_attribute("DW_AT_type")
    while kind.tag in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
        kind = kind.get_DIE_from_attribute("DW_AT_type")
    return kind


def _size(kind: Any) -> int:
    if kind.tag != "DW_TAG_array_type":
        return _number(kind, "DW_AT_byte_size") or 8
    size = _size(_kind(kind))
    for each in kind.iter_children():
        # gcc says where an array ends, clang how many elements it has
        size *= _number(each, "DW_AT_count") or _number(each, "DW_AT_upper_bound") + 1
    return size


def _name(die: Any) -> str:
    named = die.attributes.get("DW_AT_name")
    return named.value.decode() if named else ""


def _number(die: Any, attribute: str) -> int:
    found = die.attributes.get(attribute)
    return int(found.value) if found else 0


def layout(machine: Machine, unit: str, name: str) -> Layout:
    """A structure of the kernel that the machine runs."""
    kernel = machine.kernel.resolve()
    return _layout(kernel, kernel.stat().st_mtime_ns, unit, name)


def error_numbers(machine: Machine) -> dict[str, int]:
    """error_t by name."""
    kernel = machine.kernel.resolve()
    return _errors(kernel, kernel.stat().st_mtime_ns)


@functools.lru_cache(maxsize=None)
def _errors(kernel: Path, changed: int) -> dict[str, int]:
    with kernel.open("rb") as file:
        for each in ELFFile(file).get_dwarf_info().iter_CUs():
            for die in each.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_enumeration_type":
                    found = {_name(one): _number(one, "DW_AT_const_value")
                             for one in die.iter_children()}
                    if "ERROR_NO_FRAMES" in found:
                        return found
    raise Failure(Outcome.WRONG, "the kernel has no error_t", "error_t of error.h")
