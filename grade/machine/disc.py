"""Discs that GRUB boots: a kernel, its command line, and any number of modules."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from grade.errors import BadMachine, MissingTool
from grade.machine.multiboot2 import Module

# With GRUB for BIOS alone, where Debian has it, a disc is made in half the time.
BIOS = Path("/usr/lib/grub/i386-pc")
FEW = "--install-modules=multiboot2 normal iso9660 biosdisk"
BOOT = "boot"


def make_disc(directory: Path, kernel: Path, cmdline: str = "", modules: Sequence[Module] = (),
              uefi: bool = False) -> Path:
    """Make one in a directory that is ours alone. A BadMachine, if the tools do not do it."""
    boot = directory / "iso" / "boot"
    (boot / "grub").mkdir(parents=True)
    shutil.copy(kernel, boot / "kernel.elf")
    lines = ["set timeout=0", f"multiboot2 /boot/kernel.elf {cmdline}"]
    for number, module in enumerate(modules):
        (boot / f"{number}").write_bytes(module.data)
        lines.append(f"module2 /boot/{number} {module.name}")
    (boot / "grub" / "grub.cfg").write_text("\n".join((*lines, BOOT, "")))
    made = directory / "disc.iso"
    platform = [FEW, *(["-d", str(BIOS)] if BIOS.exists() else [])]
    run(mkrescue(), *([] if uefi else platform), "--fonts=", "--themes=", "--locales=",
        "-o", made, directory / "iso")
    shutil.rmtree(directory / "iso")
    return made


def mkrescue() -> str:
    """GRUB's program that makes discs. On Fedora its name has a 2."""
    for tool in ("xorriso", "mformat"):
        if not shutil.which(tool):
            raise MissingTool(tool)
    found = shutil.which("grub-mkrescue") or shutil.which("grub2-mkrescue")
    if not found:
        raise MissingTool("grub-mkrescue")
    return found


def run(*command: object) -> None:
    """A tool that makes what the grader needs for itself."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          errors="replace", check=False)
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-10:])
        raise BadMachine(f"{command[0]} failed while the grader prepared a machine:\n{said}")
