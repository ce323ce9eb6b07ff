"""A disc with the kernel as it is handed out to people: GRUB, one kernel, one module."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from grade.errors import BadMachine, MissingTool

BIOS_ONLY = Path("/usr/lib/grub/i386-pc")  # where Debian has it; elsewhere all platforms will do
FEW = "--install-modules=multiboot2 normal iso9660 biosdisk"


def disc(kernel: Path, directory: Path, cmdline: str, module: bytes, name: str) -> Path:
    """Make an ISO in the directory whose GRUB gives the kernel this command line and module."""
    for tool in ("grub-mkrescue", "xorriso"):
        if not shutil.which(tool):
            raise MissingTool(tool)
    boot = directory / "iso" / "boot"
    (boot / "grub").mkdir(parents=True)
    (boot / "module").write_bytes(module)
    shutil.copy(kernel, boot / "kernel.elf")
    (boot / "grub" / "grub.cfg").write_text(
        f"set timeout=0\nmultiboot2 /boot/kernel.elf {cmdline}\n"
        f"module2 /boot/module {name}\nboot\n")
    only = ["-d", str(BIOS_ONLY)] if BIOS_ONLY.exists() else []
    iso = directory / "rung.iso"
    made = subprocess.run(
        ["grub-mkrescue", *only, "--fonts=", "--themes=", "--locales=", FEW,
         "-o", str(iso), str(directory / "iso")], capture_output=True, text=True, check=False)
    if made.returncode:
        said = "\n".join(made.stderr.splitlines()[-8:])
        raise BadMachine(f"grub-mkrescue made no disc:\n{said}")
    return iso
