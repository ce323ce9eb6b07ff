"""Booting the way a PC does: from an ISO, by BIOS or by UEFI, through GRUB to the kernel."""

from __future__ import annotations

from pathlib import Path

from grade.errors import MissingTool
from grade.machine.layout import MULTIBOOT2_LOADER_MAGIC
from grade.machine.session import Ending, Limits, Session, Stop
from grade.outcome import Failure, Outcome

PATIENCE = Limits(cpu=60.0, idle=250, flood=1 << 30)
PLACES = ("/usr/share/OVMF", "/usr/share/edk2/ovmf", "/usr/share/edk2/x64",
          "/usr/share/edk2-ovmf/x64", "/usr/share/qemu", "/usr/share/ovmf/x64")
PAIRS = (("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd"),
         ("OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"), ("edk2-x86_64-code.fd", "edk2-i386-vars.fd"))


def cdrom(iso: Path) -> list[str]:
    """A drive with the ISO in it."""
    return ["-drive", f"if=none,id=cd,media=cdrom,readonly=on,format=raw,file={escaped(iso)}",
            "-device", "ide-cd,bus=ide.1,unit=0,drive=cd"]


def escaped(path: Path) -> str:
    """A path inside an option of QEMU's, where a comma would end it."""
    return str(path).replace(",", ",,")


def uefi() -> list[str]:
    """UEFI firmware. It writes to its variables: QEMU keeps that in a file that vanishes."""
    for place in map(Path, PLACES):
        for code, variables in PAIRS:
            own, kept = place / code, place / variables
            if own.exists() and kept.exists():
                return ["-drive", f"if=pflash,format=raw,readonly=on,file={escaped(own)}",
                        "-drive", f"if=pflash,format=raw,snapshot=on,file={escaped(kept)}"]
    raise MissingTool("UEFI firmware (OVMF: the package ovmf or edk2-ovmf)")


def boot_to(session: Session, entry: int) -> None:
    """Let firmware and GRUB run until GRUB jumps to the kernel's entry."""
    session.insert(entry)
    stop = session.run(PATIENCE)
    while stop.ending == Ending.BREAKPOINT and not _handed_over(session):
        stop = session.run(PATIENCE)  # firmware or GRUB had code of its own at that address
    if stop.ending != Ending.BREAKPOINT:
        raise _never(stop, session)
    session.remove(entry)


def _handed_over(session: Session) -> bool:
    return session.gdb.registers().rax & 0xFFFF_FFFF == MULTIBOOT2_LOADER_MAGIC


def _never(stop: Stop, session: Session) -> Failure:
    return Failure(Outcome.WRONG, f"GRUB did not start the kernel: {stop.ending.value}",
                   "GRUB jumps to the kernel's entry",
                   hint="is the Multiboot2 header in the first 32 KiB of the file, and right?",
                   details=session.console.tail())
