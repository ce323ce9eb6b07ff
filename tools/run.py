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
import sys
from pathlib import Path

from tools.console import attend

ROOT = Path(__file__).resolve().parent.parent
QEMU = "qemu-system-x86_64"

# Code and variables of the UEFI firmware, where Debian, Fedora and Arch put them.
FIRMWARE = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
]


def shared_number(name: str) -> int:
    """A number that the kernel and its tools share."""
    header = (ROOT / "common/include/layout.h").read_text()
    found = re.search(rf"^#define {name} (\w+)$", header, re.MULTILINE)
    if not found:
        sys.exit(f"common/include/layout.h defines no {name}")
    return int(found[1], 0)


def qemu_command(build: Path, environment: dict[str, str]) -> list[str]:
    """The machine: one CPU that QEMU itself translates, so that every run is alike."""
    port = shared_number("EXIT_PORT")
    command = [
        QEMU, "-accel", "tcg", "-cpu", "max", "-m", environment.get("MEM") or "128M",
        "-nodefaults", "-display", "none", "-no-reboot", "-serial", "mon:stdio",
        "-device", f"isa-debug-exit,iobase={port:#x},iosize=4",
        "-d", "cpu_reset", "-D", str(build / "qemu.log"),
        "-cdrom", str(build / "rung.iso"),
    ]
    if environment.get("UEFI", "0") not in ("", "0"):
        command += uefi(build)
    return command + shlex.split(environment.get("QEMU_ARGS", ""))


def uefi(build: Path) -> list[str]:
    """Firmware writes its variables, so each run has a fresh copy of them."""
    for code, variables in FIRMWARE:
        if os.path.exists(code) and os.path.exists(variables):
            mine = build / "uefi-variables.fd"
            shutil.copyfile(variables, mine)
            return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
                    "-drive", f"if=pflash,unit=1,format=raw,file={mine}"]
    sys.exit("There is no UEFI firmware here (package ovmf): make setup")


def gdb_arguments(lab: str, environment: dict[str, str]) -> list[str]:
    """QEMU waits on a port for gdb. Says what to type there."""
    port = environment.get("GDBPORT") or "1234"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"GDBPORT={port} is no port: a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            sys.exit(f"Port {port} cannot be had for gdb: {error.strerror}. Is another make debug "
                     f"running? Another port: make debug GDBPORT={int(port) + 1}")
    again = f" GDBPORT={port}" if port != "1234" else ""
    say(f"The machine waits for gdb. In another terminal: make gdb LAB={lab[3]}{again}")
    return ["-gdb", f"tcp:127.0.0.1:{port}", "-S"]


def verdict(status: int, log: Path, lab: str) -> tuple[int, str]:
    """What QEMU's exit status means, and whether that is a success."""
    meanings = {
        shared_number("EXIT_OK"): (0, ""),
        shared_number("EXIT_PANIC"): (1, "The kernel panicked."),
        shared_number("EXIT_NOT_WRITTEN"): (1, "The kernel came to an exercise that is not "
                                               "written yet."),
    }
    if status & 1 and status >> 1 in meanings:
        return meanings[status >> 1]
    if log.exists() and "Triple fault" in log.read_text(errors="replace"):
        return 1, ("Triple fault: an exception could not be delivered, and the machine reset "
                   f"itself.\nmake grade LAB={lab[3]} explains the chain of exceptions.")
    return (0, "") if status == 0 else (1, f"QEMU ended with status {status}.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.run", description=__doc__)
    parser.add_argument("directory", help="the lab's directory, such as lab1-boot")
    parser.add_argument("--debug", action="store_true", help="wait for gdb")
    arguments = parser.parse_args()
    lab = arguments.directory
    build = ROOT / "build" / lab
    if not shutil.which(QEMU):
        sys.exit(f"{QEMU} is not installed: make setup")
    environment = dict(os.environ)
    command = qemu_command(build, environment)
    if arguments.debug:
        command += gdb_arguments(lab, environment)
    say("To leave QEMU: Ctrl-A, then X. (Ctrl-A, then C: its monitor, and back.)")
    try:
        status = attend(command, build / "kernel.elf")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    code, words = verdict(status, build / "qemu.log", lab)
    if words:
        say(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
