"""From a name to an address, and from an address to function, file and line."""

from __future__ import annotations

import bisect
import contextlib
import functools
import resource
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from grade import toolchain
from grade.machine.elf import FUNCTION, OBJECT, UNTYPED, Elf, Symbol
from grade.outcome import Failure, Outcome

TOOL_CPU, TOOL_MEMORY = 10, 2 << 30  # seconds, bytes
MACRO_LOCAL = "..@"  # how nasm calls a label inside a macro: nobody has written such a name
FARTHEST = 1 << 16  # from the start of a function of unknown size


def bounded(command: Sequence[str]) -> str:
    """What a tool says of a kernel. Debug information can be damaged so that it works for ever, or
    takes all memory: it is ended then, and has said nothing."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as tool:
        with contextlib.suppress(OSError):  # it has ended already
            resource.prlimit(tool.pid, resource.RLIMIT_CPU, (TOOL_CPU, TOOL_CPU))
            resource.prlimit(tool.pid, resource.RLIMIT_AS, (TOOL_MEMORY, TOOL_MEMORY))
        return tool.communicate()[0].decode(errors="replace")


class Symbols:
    """The names in one kernel file."""

    def __init__(self, path: Path) -> None:
        self.elf = Elf(path)
        self.path = path
        self._by_name = {each.name: each for each in self.elf.symbols}
        self._lines: dict[int, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> int:
        """The address of a name that the lab's interface promises."""
        return self.symbol(name).address

    def symbol(self, name: str) -> Symbol:
        if name not in self._by_name:
            raise Failure(Outcome.WRONG, f"the kernel has no symbol {name}",
                          f"a function or variable called {name}",
                          hint="the lab's interface header lists the names that must stay")
        return self._by_name[name]

    @cached_property
    def _code(self) -> list[Symbol]:
        """Functions and assembly labels, in the order of their addresses: all of them, since two
        files may each have a static function of one name. Of two at the same address the one with a
        type comes last: it is found."""
        code = [each for each in self.elf.symbols if each.kind in (FUNCTION, UNTYPED)
                and not each.name.startswith(MACRO_LOCAL)]
        local = {each: "." in each.name for each in code}
        return sorted(code, key=lambda each: (each.address, not local[each],
                                              each.kind == FUNCTION))

    @cached_property
    def _starts(self) -> list[int]:
        return [each.address for each in self._code]

    def function(self, address: int) -> str:
        """`name` or `name+0x12`, or "" for an address that is in no function."""
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0:
            return ""
        found = self._code[at]
        offset = address - found.address
        if offset >= (found.size or FARTHEST):
            return ""
        return f"{found.name}+{offset:#x}" if offset else found.name

    def object(self, address: int) -> str:
        """The variable that holds an address, or ""."""
        for each in self._by_name.values():
            if each.kind == OBJECT and each.address <= address < each.address + each.size:
                return each.name
        return ""

    def line(self, address: int) -> str:
        """`file.c:42`, or "" where the compiler left no line."""
        self.load_lines([address])
        return self._lines.get(address, "")

    def load_lines(self, addresses: Iterable[int]) -> None:
        """Ask for the lines of many addresses at once: each question starts a program."""
        unknown = [each for each in dict.fromkeys(addresses) if each not in self._lines]
        tool = shutil.which(toolchain.tool("addr2line")) or shutil.which("llvm-addr2line")
        if not unknown or not tool:
            return
        answer = bounded([tool, "-e", str(self.path), *map(hex, unknown)])
        for address, line in zip(unknown, answer.splitlines()):
            place = line.split(" (discriminator")[0].rpartition("/")[2]
            self._lines[address] = "" if place.endswith((":?", ":0")) else place

    def where(self, address: int, exact: bool = True) -> str:
        """`function (file.c:42)` for people. For a return address, exact=False: the line is
        that of the call, just before."""
        function = self.function(address)
        line = self.line(address if exact else address - 1)
        name = function or f"{address:#x}"
        if not function and not line:
            return f"{address:#x} (not in the kernel's code)"
        return f"{name} ({line})" if line else name


@functools.lru_cache(maxsize=8)
def _read(kernel: Path, changed: int) -> Symbols:
    return Symbols(kernel)


def load_symbols(kernel: Path) -> Symbols:
    """The names of a kernel file, read once as long as it does not change."""
    return _read(kernel.resolve(), kernel.stat().st_mtime_ns)
