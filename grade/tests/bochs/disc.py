"""A disc that GRUB boots on a BIOS: a kernel, its command line, and any number of modules."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from grade.machine.machine import Module

BIOS = Path("/usr/lib/grub/i386-pc")


def make_disc(directory: Path, kernel: Path, modules: Sequence[Module] = (),
              cmdline: str = "") -> Path:
    """Make it in a directory that is ours alone."""
    boot = directory / "iso" / "boot"
    (boot / "grub").mkdir(parents=True)
    shutil.copy(kernel, boot / "kernel.elf")
    lines = [f"multiboot2 /boot/kernel.elf {cmdline}"]
    for number, module in enumerate(modules):
        (boot / f"{number}").write_bytes(module.data)
        lines.append(f"module2 /boot/{number} {module.name}")
    (boot / "grub" / "grub.cfg").write_text("\n".join(("set timeout=0", *lines, "boot", "")))
    disc = directory / "disc.iso"
    platform = ["-d", str(BIOS)] if BIOS.exists() else []
    subprocess.run(["grub-mkrescue", *platform, "--fonts=", "--themes=", "--locales=",
                    "--install-modules=multiboot2 normal iso9660 biosdisk",
                    "-o", disc, directory / "iso"], check=True, capture_output=True)
    shutil.rmtree(directory / "iso")
    return disc
