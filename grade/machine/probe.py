"""The table of calls that grade/probes/calls.c works off inside the kernel."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Union

RECORD = struct.Struct("<9Q")  # function, six arguments, indirect, result
RESULT = 64  # offset of the result in a record
ARGUMENTS = 6


@dataclass(frozen=True)
class Result:
    """As an argument: what an earlier call of the same batch returned."""

    of: int


@dataclass(frozen=True)
class Value:
    """As an argument: the 64-bit value that lies at this address when the call is made."""

    address: int


Argument = Union[int, str, Result, Value]  # a string names a symbol, and means its address


@dataclass(frozen=True, init=False)
class Call:
    """A call of a kernel function, by name or address, with up to six arguments."""

    function: Union[str, int]
    arguments: tuple[Argument, ...]

    def __init__(self, function: Union[str, int], *arguments: Argument) -> None:
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "arguments", arguments)
        if len(arguments) > ARGUMENTS:
            raise ValueError("a call has at most six arguments")


def encode(calls: Sequence[Call], address: Callable[[Union[str, int]], int], table: int,
           earlier: Sequence[int]) -> bytes:
    """Records for some of a batch, to be placed at table; earlier are the results before them."""
    data = b""
    for call in calls:
        values, indirect = [0] * ARGUMENTS, 0
        for i, argument in enumerate(call.arguments):
            if isinstance(argument, Result) and argument.of < len(earlier):
                values[i] = earlier[argument.of]
            elif isinstance(argument, (Result, Value)):
                values[i] = (argument.address if isinstance(argument, Value) else
                             table + RECORD.size * (argument.of - len(earlier)) + RESULT)
                indirect |= 1 << i
            else:
                values[i] = address(argument) & (1 << 64) - 1
        data += RECORD.pack(address(call.function), *values, indirect, 0)
    return data


def results(data: bytes) -> list[int]:
    return [record[-1] for record in RECORD.iter_unpack(data)]
