"""What the tests of the instruments share: a tiny kernel to try them on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grade import toolchain
from grade.machine.machine import Limits, Machine
from grade.outcome import Failure

SOURCE = Path(__file__).with_name("kernel.asm")
SOON = Limits(cpu=0.3, idle=10)


def build(directory: Path, source: Path = SOURCE) -> Path:
    """Assemble and link a kernel."""
    built = directory / "kernel.elf"
    subprocess.run(["nasm", "-f", "elf64", "-g", "-F", "dwarf", "-o", directory / "kernel.o",
                    source], check=True)
    subprocess.run([toolchain.tool("ld"), "--no-warn-rwx-segments", "-n", "-Ttext=0x100000", "-e",
                    "_start", "-o", built, directory / "kernel.o"], check=True)
    return built


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("kernel"))


@pytest.fixture
def failure_of(kernel: Path) -> Callable[[str], Failure]:
    """How the kernel fails that goes on at one of its functions instead of its end."""
    def fail(function: str) -> Failure:
        with Machine(kernel, limits=SOON) as m:
            m.run_to("kmain")
            m.set_regs(rip=m.sym(function))
            with pytest.raises(Failure) as caught:
                m.run_to_exit(0x10)
        return caught.value
    return fail
