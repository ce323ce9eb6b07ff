"""The kernel's structures and enumerations as the compiler laid them out, from its debug
information: a student may add fields of their own.

That is a file from anywhere. It may be damaged so that the library stumbles, or that it describes
itself without an end: each list in it is read up to a bound, and what cannot be read is a Failure
in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from elftools.elf.elffile import ELFFile

from grade.outcome import Failure, Outcome

MOST = 100_000  # of what may follow each other
MOST_NAMES = 50  # of one type
MOST_TYPES = 64  # that are kept
KIND = {"DW_TAG_structure_type", "DW_TAG_union_type"}
MEANT = "the lab's interface header lists what must stay"

Found = TypeVar("Found")
Types = dict[tuple[str, int, str], Any]  # by file, its time, and what it is called
_types: Types = {}


class Field(NamedTuple):
    """Where a field lies in its structure, how many bytes it has, and how many elements: 1 if it is
    no array."""

    offset: int
    size: int
    elements: int


class Structure(NamedTuple):
    """A structure: its size, and its fields; those of an inner one are named `outer.inner`."""

    size: int
    fields: dict[str, Field]


def structure(kernel: Path, name: str, unit: str) -> Structure:
    """struct `name` of a kernel file. `unit` is a source file that uses it and is asked first: to
    read the types of all takes a second."""
    def read(die: Any) -> Structure | None:
        if die.tag not in KIND or "DW_AT_byte_size" not in die.attributes:
            return None
        return Structure(_number(die, "DW_AT_byte_size"), dict(_fields(die, 0, "")))
    return _known(kernel, f"struct {name}", name, unit, read)


def enumeration(kernel: Path, name: str, unit: str) -> dict[str, int]:
    """enum `name` of a kernel file: its values by their names."""
    def read(die: Any) -> dict[str, int] | None:
        if die.tag != "DW_TAG_enumeration_type":
            return None
        return {_name(one): _number(one, "DW_AT_const_value") for one in _children(die)}
    return _known(kernel, f"enum {name}", name, unit, read)


def types_known() -> Types:
    """What was read so far, for another process: to read a type takes a third of a second."""
    return dict(_types)


def learn_types(types: Types) -> None:
    """Take over what another process has read."""
    if len(_types) > MOST_TYPES:
        _types.clear()
    _types.update(types)


def _known(kernel: Path, words: str, name: str, unit: str,
           read: Callable[[Any], Found | None]) -> Found:
    key = (str(kernel.resolve()), kernel.stat().st_mtime_ns, words)
    if key not in _types:
        learn_types({key: _find(kernel, words, name, unit, read)})
    found: Found = _types[key]
    return found


def _find(kernel: Path, words: str, name: str, unit: str,
          read: Callable[[Any], Found | None]) -> Found:
    """What `read` makes of the type of this name, wherever it is declared."""
    with _debug_information(kernel) as units:
        others = []
        for top in units:
            if _name(top).rpartition("/")[2] != unit:
                others.append(top)
                continue
            for found in _types_of(top, name, read):
                return found
        for top in others:
            for found in _types_of(top, name, read):
                return found
    raise Failure(Outcome.WRONG, f"the kernel knows no {words}", f"the lab's {words}", MEANT)


def _types_of(top: Any, name: str, read: Callable[[Any], Found | None]) -> Iterator[Found]:
    """What `read` makes of the types of this name that a unit declares."""
    for die in _children(top):
        found = read(die) if _name(die) == name else None
        if found:
            yield found


@contextmanager
def _debug_information(kernel: Path) -> Iterator[Iterator[Any]]:
    """The top of each unit."""
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
            yield prefix + name, Field(offset, *_size(kind))
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


def _size(kind: Any) -> tuple[int, int]:
    """The bytes of a type, and of how many elements."""
    if kind.tag != "DW_TAG_array_type":
        return _number(kind, "DW_AT_byte_size") or 8, 1
    count = 1
    for each in _children(kind):
        # gcc says where an array ends, clang how many elements it has
        count *= _number(each, "DW_AT_count") or _number(each, "DW_AT_upper_bound") + 1
    return _size(_kind(kind))[0] * count, count


def _name(die: Any) -> str:
    named = die.attributes.get("DW_AT_name")
    return named.value.decode(errors="replace") if named else ""


def _number(die: Any, attribute: str) -> int:
    found = die.attributes.get(attribute)
    return int(found.value) if found else 0
