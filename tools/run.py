"""Boot a lab's disc in QEMU, its console on this terminal: make run, make debug.

From the environment: UEFI=1, MEM=, QEMU_ARGS= (further arguments for QEMU) and GDBPORT=.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from grade.machine import firmware, layout
from grade.machine.qemu import PROGRAM as QEMU
from grade.tree import ROOT
from tools import command
from tools.command import Refusal, say
from tools.console import attend


# Below these GRUB or the firmware dies without a word; a little above GRUB says what it lacks.
LEAST_MEMORY, LEAST_MEMORY_UEFI = 4 << 20, 64 << 20
UNITS = {"": 20, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40}  # QEMU's

# UEFI firmware writes on the serial port and reads there: what is not typed waits for the kernel.
FIRST_WORD = b"Rung lab"

NOT_BOOTED = 0x13  # what common/grub.cfg ends with


def qemu_command(build: Path, own: Path, environment: Mapping[str, str], typed: bool) -> list[str]:
    """The machine: one CPU that QEMU itself translates, so that every run is alike. `own` is this
    run's directory. Only somebody who types can have use for Ctrl-A and QEMU's monitor."""
    with_uefi = is_on(environment, "UEFI")
    machine = [
        QEMU, "-accel", "tcg", "-cpu", "max", "-m", memory(environment, with_uefi),
        "-nodefaults", "-display", "none", "-no-reboot",
        "-serial", "mon:stdio" if typed else "stdio",
        "-device", f"isa-debug-exit,iobase={layout.EXIT_PORT:#x},iosize=4",
        "-d", "cpu_reset", "-D", str(own / "qemu.log"),
        "-cdrom", str(build / "rung.iso"),
    ]
    try:
        more = shlex.split(environment.get("QEMU_ARGS", ""))
    except ValueError as error:
        raise Refusal(f"QEMU_ARGS={environment['QEMU_ARGS']} cannot be cut into words: {error}"
                      ) from None
    return machine + (firmware.uefi() if with_uefi else []) + more


def is_on(environment: Mapping[str, str], name: str) -> bool:
    word = environment.get(name, "")
    if word not in ("", "0", "1"):
        raise Refusal(f"{name}={word} is neither 1 nor 0")
    return word == "1"


def memory(environment: Mapping[str, str], with_uefi: bool) -> str:
    """MEM, if it is a size that a loader can work with."""
    word = environment.get("MEM") or "128M"
    size = re.fullmatch(r"([0-9]+)([BKMGT]?)", word.upper())
    if not size:
        raise Refusal(f"MEM={word} is no size of a memory: MEM=128M is one")
    least = LEAST_MEMORY_UEFI if with_uefi else LEAST_MEMORY
    if int(size[1]) << UNITS[size[2]] < least:
        raise Refusal(f"MEM={word} is not enough: {'UEFI firmware' if with_uefi else 'GRUB'} needs "
                      f"{least >> 20}M")
    return word


def gdb_arguments(lab: str, environment: Mapping[str, str]) -> list[str]:
    """QEMU waits on a port for gdb. Says what to type there."""
    port = environment.get("GDBPORT") or "1234"
    if not re.fullmatch("[0-9]+", port) or not 0 < int(port) < 65536:
        raise Refusal(f"GDBPORT={port} is no port: a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            other = int(port) % 65535 + 1
            raise Refusal(f"port {port} cannot be had for gdb: {error.strerror}. Is another make "
                          f"debug running? Another port: make debug GDBPORT={other}") from None
    again = f" GDBPORT={port}" if port != "1234" else ""
    say(f"The machine waits for gdb. In another terminal: make gdb LAB={lab[3]}{again}")
    return ["-gdb", f"tcp:127.0.0.1:{port}", "-S"]


def verdict(status: int, log: Path, lab: str) -> tuple[int, str]:
    """What QEMU's exit status means, and whether that is a success."""
    meanings = {
        layout.EXIT_OK: (0, ""),
        layout.EXIT_PANIC: (1, "The kernel panicked."),
        layout.EXIT_NOT_WRITTEN: (1, "The kernel came to an exercise that is not written yet."),
        NOT_BOOTED: (1, "GRUB could not load what is on the disc, for the reason above."),
    }
    if status & 1 and status >> 1 in meanings:
        return meanings[status >> 1]
    if log.exists() and "Triple fault" in log.read_text(errors="replace"):
        return 1, ("Triple fault: an exception could not be delivered, and the machine reset "
                   f"itself.\nmake grade LAB={lab[3]} explains the chain of exceptions.")
    return (0, "") if status == 0 else (command.CANNOT, f"QEMU ended with status {status}.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.run", description=__doc__)
    parser.add_argument("directory", help="the lab's directory, such as lab1-boot")
    parser.add_argument("--debug", action="store_true", help="wait for gdb")
    arguments = parser.parse_args()
    lab = arguments.directory
    build = ROOT / "build" / lab
    if not shutil.which(QEMU):
        raise Refusal(f"{QEMU} is not installed: make setup")
    # Two runs of one lab may go on at a time.
    with tempfile.TemporaryDirectory(dir=build, prefix="run-") as own:
        return run(lab, build, Path(own), arguments.debug)


def run(lab: str, build: Path, own: Path, debug: bool) -> int:
    """Boot the disc, and say what came of it."""
    typed = os.isatty(0)
    machine = qemu_command(build, own, os.environ, typed)
    if debug:
        machine += gdb_arguments(lab, os.environ)
    say("To leave QEMU: Ctrl-A, then X. (Ctrl-A, then C: its monitor, and back.)" if typed
        else "To leave QEMU: Ctrl-C.")
    awake = FIRST_WORD if is_on(os.environ, "UEFI") else b""
    status = attend(machine, build / "kernel.elf", awake)
    code, words = verdict(status, own / "qemu.log", lab)
    if words:
        say(words)
    return code


if __name__ == "__main__":
    command.run("make run", main)
