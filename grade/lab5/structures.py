"""Exercises 5.1 to 5.7: the kernel's structures as the compiler laid them out. A student may add
fields of their own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

from grade.machine import Machine
from grade.outcome import Failure, Outcome

MOST = 100_000  # of what may follow each other
MOST_NAMES = 50  # of one type
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
    with debug_information(kernel) as units:
        for top in units:
            if _name(top).rpartition("/")[2] != unit:
                continue
            for die in _children(top):
                if die.tag in KIND and _name(die) == name and "DW_AT_byte_size" in die.attributes:
                    return Layout(_number(die, "DW_AT_byte_size"), dict(_fields(die, 0, "")))
    raise Failure(Outcome.WRONG, f"{unit} knows no struct {name}", f"the lab's struct {name}",
                  "the lab's interface header lists what must stay")


@contextmanager
def debug_information(kernel: Path) -> Iterator[Iterator[Any]]:
    """The top of each unit. It may be damaged, and then the library stumbles over anything."""
    try:
        with kernel.open("rb") as file:
            yield (each.get_top_DIE()
                   for each in islice(ELFFile(file).get_dwarf_info().iter_CUs(), MOST))
    except Failure:
        raise
    except Exception as error:
        raise Failure(Outcome.BUILD_ERROR, f"the debug information of {kernel.name} cannot be read:"
                      f" {type(error).__name__}: {error}",
                      "what the compiler leaves with -g; structures are found by it") from None


def _children(die: Any) -> Iterator[Any]:
    return islice(die.iter_children(), MOST)


def _fields(structure: Any, base: int, prefix: str) -> Iterator[tuple[str, Field]]:
    for member in _children(structure):
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
    for _ in range(MOST_NAMES):
        if kind.tag not in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
            return kind
        kind = kind.get_DIE_from_attribute("DW_AT_type")
    raise ValueError("there is no end of types")


def _size(kind: Any) -> int:
    if kind.tag != "DW_TAG_array_type":
        return _number(kind, "DW_AT_byte_size") or 8
    size = _size(_kind(kind))
    for each in _children(kind):
        # gcc says where an array ends, clang how many elements it has
        size *= _number(each, "DW_AT_count") or _number(each, "DW_AT_upper_bound") + 1
    return size


def _name(die: Any) -> str:
    named = die.attributes.get("DW_AT_name")
    return named.value.decode(errors="replace") if named else ""


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
    with debug_information(kernel) as units:
        for top in units:
            for die in _children(top):
                if die.tag == "DW_TAG_enumeration_type":
                    found = {_name(one): _number(one, "DW_AT_const_value")
                             for one in _children(die)}
                    if "ERROR_NO_FRAMES" in found:
                        return found
    raise Failure(Outcome.WRONG, "the kernel has no error_t", "error_t of error.h")
