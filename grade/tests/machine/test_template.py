"""The saved machine: made once however many want it, and as good as a boot through GRUB."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from grade.errors import BadMachine, MissingTool
from grade.machine import disc
from grade.machine import template as module
from grade.machine.disc import make_disc
from grade.machine.machine import Machine
from grade.machine.multiboot2 import tags
from grade.machine.template import template
from grade.outcome import Failure
from grade.tests import HANGING

ROOT = Path(__file__).resolve().parents[3]
WORKER = """
import sys
from pathlib import Path
from grade.machine.machine import Machine
with Machine(Path(sys.argv[1]), cache=Path(sys.argv[2])) as m:
    m.run_to_exit(0x10)
"""


def test_many_at_once_make_one(kernel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(kernel), str(tmp_path)]
    workers = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [worker.wait(HANGING) for worker in workers] == [0, 0, 0, 0]
    made, = (path for path in tmp_path.iterdir() if path.is_dir())
    assert sorted(path.name for path in made.iterdir()) == ["information", "pages", "state"]
    assert sum(path.stat().st_size for path in made.iterdir()) < 4 << 20


def test_a_failure_leaves_nothing_half_made(tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disc, "BOOT", "reboot")
    monkeypatch.setattr(module.firmware, "PATIENCE", module.Limits(cpu=0.9, idle=25))
    with pytest.raises(BadMachine, match="GRUB did not start the kernel"):
        template(memory=64, cpu="max", cache=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOOLS", ("no-such-tool",))
    with pytest.raises(MissingTool, match="no-such-tool is not installed"):
        template(memory=64, cpu="max", cache=tmp_path)


def test_fedora_s_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for tool in ("xorriso", "mformat", "grub2-mkrescue"):
        with pytest.raises(MissingTool):
            disc.mkrescue()
        (tmp_path / tool).touch(0o755)
    assert disc.mkrescue() == str(tmp_path / "grub2-mkrescue")


@pytest.fixture(scope="session")
def iso(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ISO for BIOS and UEFI with the kernel on it."""
    return make_disc(tmp_path_factory.mktemp("iso"), kernel, "from=iso", uefi=True)


def test_grub_and_the_template_leave_the_same_machine(kernel: Path, iso: Path) -> None:
    with Machine(kernel, firmware="grub", iso=iso) as grub, Machine(kernel) as saved:
        one, other = grub.regs, saved.regs
        structure = grub.phys.read(grub.information, 4096)
        assert dict(tags(structure))[1][8:] == b"from=iso\0"
        for name in ("rip", "rax", "rflags", "cs", "ss", "ds", "cr0", "cr3", "cr4", "efer"):
            assert getattr(one, name) == getattr(other, name), name
        assert grub.system.idtr == saved.system.idtr
        for machine in (grub, saved):
            machine.run_to_exit(0x10)
            assert machine.console.lines == ["hello", "world"]
            assert machine.events == []


def test_uefi(kernel: Path, iso: Path) -> None:
    with Machine(kernel, firmware="uefi", iso=iso) as m:
        m.run_to_exit(0x10)
        assert m.console.lines == ["hello", "world"]


def test_an_iso_that_does_not_boot(kernel: Path, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.iso"
    empty.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(module.firmware, "PATIENCE", module.Limits(cpu=1, idle=25))
    with pytest.raises(Failure, match="GRUB did not start the kernel"), \
            Machine(kernel, firmware="grub", iso=empty):
        pass


def test_much_memory(kernel: Path, tmp_path: Path) -> None:
    """64 GiB that nobody uses cost nothing."""
    with Machine(kernel, memory=64 << 10, cache=tmp_path) as m:
        m.run_to_exit(0x10)
        m.phys.set_u64((64 << 30) + 4096, 1)
        assert sum(area.length for area in _available(m)) > 63 << 30


def _available(m: Machine) -> list[module.MemoryArea]:
    structure = m.phys.read(m.information, 4096)
    return [area for area in module.memory_map(structure) if area.kind == module.AVAILABLE]


def test_a_boot_is_quick(kernel: Path) -> None:
    """Generously: the point is that no firmware runs."""
    began = time.process_time()
    for _ in range(3):
        with Machine(kernel) as m:
            m.run_to("kmain")
    assert time.process_time() - began < 1
