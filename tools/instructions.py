"""Instructions for a system call, a fork, a switch: the second half of make bench.

With `-icount shift=0` QEMU counts every instruction as one nanosecond, and the time-stamp counter
that common/user/programs/bench.c reads is that count: exact, and the same on every machine. What
it does not show is what a CR3 load costs a real TLB.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from grade.machine import layout
from grade.machine.qemu import PROGRAM as QEMU
from grade.tree import ROOT, lab_directory, labs

PEERS = Path(__file__).parent / "peers.json"
RESULTS = ROOT / "build/bench/instructions.json"
LINE = re.compile(r"^bench: (\S+) (\d+)\s*$", re.MULTILINE)
FIRST_LAB = 4
LIMIT = 120
COLUMNS = ("null-call", "null-call-int80", "fork-exit-wait", "yield-round-trip",
           "pipe-round-trip")


@dataclass(frozen=True)
class Configuration:
    """A lab, and its kernel's command line."""

    lab: int
    command_line: str = ""

    def __str__(self) -> str:
        return f"lab {self.lab} {self.command_line}".rstrip()


def configurations() -> list[Configuration]:
    """Each lab that has system calls; with and without isolation where there is that."""
    found = []
    for lab in labs(ROOT):
        if lab >= FIRST_LAB:
            options = ("pti=on", "pti=off") if lab >= 6 else ("",)
            found += [Configuration(lab, option) for option in options]
    return found


def boot(configuration: Configuration, program: str) -> dict[str, int]:
    """Run bench.c, or bench.c with int 0x80, and read what it prints."""
    directory = lab_directory(ROOT, configuration.lab)
    build = ROOT / "build/bench" / directory.name
    make = ["make", "-C", str(directory), f"BUILD={build}"]
    subprocess.run([*make, "kernel"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*make, "iso", f"PROGRAM={build}/user/{program}.elf",
                    f"CMDLINE={configuration.command_line}"],
                   check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        shlex.split(f"{QEMU} -accel tcg -icount shift=0,sleep=off -cpu max -m 128M "
                    "-nodefaults -display none -no-reboot -serial stdio "
                    f"-device isa-debug-exit,iobase={layout.EXIT_PORT:#x},iosize=4")
        + ["-cdrom", str(build / "rung.iso")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace",
        timeout=LIMIT)
    counts = {name: int(count) for name, count in LINE.findall(done.stdout)}
    if not counts:
        raise RuntimeError(f"{configuration}: {program} printed no result:\n{done.stdout[-2000:]}")
    return counts


def measure(configuration: Configuration) -> dict[str, int]:
    """All figures of a configuration."""
    counts = boot(configuration, "bench")
    counts["null-call-int80"] = boot(configuration, "bench-int80")["null-call"]
    return counts


def row(name: str, counts: dict[str, int]) -> str:
    return f"{name:24}" + "".join(f"{counts.get(column, '-'):>18}" for column in COLUMNS)


def main() -> int:
    print(f"\n{'instructions':24}" + "".join(f"{column:>18}" for column in COLUMNS))
    results = {}
    try:
        for configuration in configurations():
            results[str(configuration)] = measure(configuration)
            print(row(str(configuration), results[str(configuration)]), flush=True)
    except (RuntimeError, subprocess.SubprocessError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    peers = json.loads(PEERS.read_text())
    for peer in peers["kernels"]:
        print(row(peer["name"], peer["instructions"]))
    print(f"\nHere: -icount shift=0. The others: {peers['measured_on']}; "
          "no two share entry instruction, optimisation and size of the child.")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"rung": results, "peers": peers["kernels"]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
