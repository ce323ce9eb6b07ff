"""The reference on real firmware and with little and much memory, and where it must refuse."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from grade.build import build, clean_environment
from grade.lab import Lab
from grade.machine import layout
from grade.tests.kernels.grading import LABS, SEED, WITH_SHELL, remember, worker
from grade.tree import ROOT, lab_directory

GIB = 1024
MACHINES = [("grub", 64), ("grub", 512), ("grub", 5 * GIB), ("grub", 64 * GIB), ("uefi", 256)]


def lab_with_disc(lab: int) -> tuple[Lab, Path]:
    """The reference, and the disc that it boots from."""
    directory = lab_directory(ROOT, lab)
    build_dir = worker("machines") / f"lab{lab}"
    built = build(directory, build_dir)
    program = [f"PROGRAM={build_dir}/user/hello.elf"] if lab >= WITH_SHELL else []
    subprocess.run(["make", "-C", directory, f"BUILD={build_dir}", "iso", *program], check=True,
                   env=clean_environment(), stdout=subprocess.DEVNULL)
    return Lab(ROOT, directory, built, SEED), build_dir / "rung.iso"


@pytest.mark.parametrize("firmware, memory", MACHINES)
@pytest.mark.parametrize("lab", LABS)
def test_boots_from_disc(lab: int, firmware: str, memory: int,
                         request: pytest.FixtureRequest) -> None:
    reference, disc = lab_with_disc(lab)
    with reference.boot(firmware=firmware, iso=disc, memory=memory) as machine:
        machine.run_to("kernel_ready")
        total = machine.call("frames_total") * 4 // 1024 if lab > 1 else memory
        assert machine.run_to_exit() == layout.EXIT_OK
    remember(request, "firmware and memory", f"lab {lab}  {firmware:4} {memory:6} MiB  "
             + (f"{total} MiB of it in free frames" if lab > 1 else "boots"))
    # UEFI keeps some for itself, and the frame allocator's own tables take one part in 16384.
    assert total >= memory - (64 if firmware == "uefi" else 4 + memory // 4096)


@pytest.mark.parametrize("cpu, words", [("qemu32", "no long mode"), ("qemu64,-lm", "no long mode"),
                                        ("qemu64,-nx", "no no-execute pages")])
def test_refuses_a_processor_in_words(cpu: str, words: str) -> None:
    reference, disc = lab_with_disc(1)
    with reference.boot(firmware="grub", iso=disc, cpu=cpu) as machine:
        assert machine.run_to_exit() == layout.EXIT_PANIC
        assert words in machine.console.text


def test_refuses_a_loader_that_is_not_multiboot2() -> None:
    reference, _ = lab_with_disc(1)
    with reference.boot() as machine:
        machine.set_regs(rax=0x2BADB002)
        assert machine.run_to_exit() == layout.EXIT_PANIC
        assert "does not speak Multiboot2" in machine.console.text


def test_same_kernel_from_any_directory(tmp_path: Path) -> None:
    """Bit for bit; the disc, but for the four bytes of a serial number that mformat draws, and the
    time by which GRUB finds its disc from version 2.12 on (in the name of a file on it)."""
    from tools.bug import copy_tree
    products = []
    for place in ("a", "a/longer/path"):
        tree = tmp_path / place / "tree"
        copy_tree(tree)
        lab = lab_directory(tree, LABS[-1])
        subprocess.run(["make", "-C", lab, "PROBES=", "iso"], check=True,
                       env=clean_environment(), stdout=subprocess.DEVNULL)
        made = tree / "build" / lab.name
        # In Joliet's names a character has two bytes.
        disc = re.sub(rb"2\0?0\0?\d\0?\d(\0?[-_]\0?\d\0?\d){6}", b"time",
                      (made / "rung.iso").read_bytes())
        products.append(((made / "kernel.elf").read_bytes(), disc))
    (kernel, disc), (other_kernel, other_disc) = products
    assert kernel == other_kernel
    assert len(disc) == len(other_disc)
    assert sum(a != b for a, b in zip(disc, other_disc)) <= 4
