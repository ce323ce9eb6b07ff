"""The programs that make and read x86-64 code, and the oldest versions that will do.

On another machine they have a prefix: gcc is x86_64-linux-gnu-gcc there. lab.mk and tools/cross
choose the same; CROSS= in the environment names another prefix."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

VERSIONS = Path(__file__).resolve().parent.parent / "tools" / "versions"
LIMIT = 60


def cross() -> str:
    """The prefix; nothing where this machine's own programs will do."""
    return os.environ.get("CROSS", "" if platform.machine() == "x86_64" else "x86_64-linux-gnu-")


def tool(name: str) -> str:
    """What ld, nm, objcopy, addr2line or gcc is called here."""
    return cross() + name


def compiler(cc: str) -> list[str]:
    """The words of CC=, in which gcc means the one for x86-64 (`ccache gcc`, `gcc -m64`)."""
    return [tool(word) if word == "gcc" else word for word in shlex.split(cc)]


def gdb() -> str:
    """The gdb that knows x86-64. Debian calls it gdb-multiarch where gdb knows its own machine."""
    named = os.environ.get("GDB")
    foreign = platform.machine() != "x86_64" and shutil.which("gdb-multiarch")
    return named or ("gdb-multiarch" if foreign else "gdb")


def version_fault(name: str, command: str | None = None) -> str:
    """What is wrong with a program as tools/versions knows it: that it is missing, fails, or is
    too old. Nothing, if it will do."""
    program = command or name
    if not shutil.which(program):
        return f"{program} is not installed; `make setup` installs it"
    try:
        done = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                              timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} does not run: {error}"
    found = re.search(r"\d+(?:\.\d+)+", done.stdout)
    if done.returncode or not found:
        last = (done.stdout.strip().splitlines() or ["it says nothing"])[-1]
        return f"{program} does not run: `{program} --version` ends with {done.returncode}: {last}"
    if numbers(found[0]) < numbers(minimum(name)):
        return (f"{program} is version {found[0]}, and {minimum(name)} or newer is needed: "
                "`make doctor` tells more")
    return ""


@lru_cache
def minimum(name: str) -> str:
    """The oldest version that works."""
    found = re.search(rf"^{re.escape(name)} +(\S+)", VERSIONS.read_text(), re.M)
    assert found, f"tools/versions has no {name}"
    return found[1]


def numbers(version: str) -> list[int]:
    """7.2.1 as numbers; of 9.0.0rc1 those that are there."""
    return [int(digits) for digits in re.findall(r"\d+", version)[:3]]
