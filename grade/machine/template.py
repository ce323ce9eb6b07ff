"""The machine as GRUB hands it over, saved once, so that a check need not wait for firmware.

GRUB boots stub.asm; at its first instruction the state of the processor and the devices is saved
by QEMU (`migrate`), and what firmware and GRUB left in memory by us: the memory is a file that we
hold. A check's machine starts from both, 0.2 s later in its life and 0.02 s after its birth."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grade import toolchain
from grade.errors import BadMachine, MissingTool
from grade.machine import firmware
from grade.machine.disc import make_disc, run
from grade.machine.elf import Elf
from grade.machine.layout import PAGE
from grade.machine.multiboot2 import AVAILABLE, MemoryArea, memory_map
from grade.machine.phys import PhysicalMemory
from grade.machine.qemu import program
from grade.machine.session import Limits, Session
from grade.outcome import Failure

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "grade" / "template"
STUB = HERE / "stub.asm"
STUB_ADDRESS = 0x200000
FORMAT = 2  # change it when the files below, or the machine's devices, change
MOST_FILLED = 128 << 20  # 10 ms per 64 MiB
HIGH = 1 << 20
TOOLS = ("nasm", toolchain.tool("ld"))


@dataclass(frozen=True)
class Template:
    """A saved machine."""

    directory: Path

    @property
    def state(self) -> Path:
        """Processor and devices, as QEMU saved them."""
        return self.directory / "state"

    @property
    def information(self) -> bytes:
        """The Multiboot2 information structure that GRUB made."""
        return (self.directory / "information").read_bytes()

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """What firmware left in memory, as (physical address, page)."""
        data = (self.directory / "pages").read_bytes()
        for at in range(0, len(data), PAGE + 8):
            yield int.from_bytes(data[at:at + 8], "little"), data[at + 8:at + 8 + PAGE]


def incoming(template: Template, *, memory: int, cpu: str, fill: int,
             limits: Limits = Limits()) -> Session:
    """A new machine in the template's state, its free memory filled with one byte."""
    state = os.open(template.state, os.O_RDONLY)
    try:
        session = Session(memory=memory, cpu=cpu, limits=limits, arguments=[
            "-device", "ide-cd,bus=ide.1,unit=0", "-incoming", "defer"])
        try:
            _fill(session, template, fill)
            session.connect()
            _ignore_memory(session)
            session.qmp.command("migrate-incoming", uri=f"exec:cat {ours(state)}")
            session.qmp.wait_for("MIGRATION", status="completed")
        except BaseException:
            session.close()
            raise
    finally:
        os.close(state)
    return session


def ours(fd: int) -> str:
    """A file of ours, for a program that QEMU starts: the path of the file may hold anything."""
    return f"/proc/{os.getpid()}/fd/{fd}"


def _fill(session: Session, template: Template, value: int) -> None:
    """Old rubbish everywhere, but for what firmware wrote. (QEMU is still starting meanwhile.)"""
    left, ram = MOST_FILLED, session.qemu.ram
    for area in memory_map(template.information):
        if area.kind == AVAILABLE and value:
            start = area.base + PAGE - 1 & -PAGE
            end = min(area.end & -PAGE, start + left, ram.size)
            if start < end:
                ram.fill(start, end, value)
                left -= end - start
    for pa, page in template.pages():
        os.pwrite(ram.fd, page, pa)


def _ignore_memory(session: Session) -> None:
    """Keep the shared memory out of the saved state: it is ours to save."""
    session.qmp.command("migrate-set-capabilities", capabilities=[
        {"capability": name, "state": True} for name in ("x-ignore-shared", "events")])


def template(*, memory: int, cpu: str, cache: Path = CACHE) -> Template:
    """The template for such a machine: made now, if nobody has made it yet."""
    directory = cache / _key(memory, cpu)
    if not directory.exists():
        with _alone(directory.with_suffix(".lock")):
            if not directory.exists():
                _make(directory, memory, cpu)
    return Template(directory)


def _key(memory: int, cpu: str) -> str:
    """A saved state belongs to one QEMU and one configuration."""
    qemu = Path(program()).resolve().stat()
    facts = (program(), qemu.st_size, qemu.st_mtime_ns, memory, cpu, FORMAT, STUB.read_text())
    return f"{memory}M-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Of several graders that want the same template, one makes it and the others wait."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(directory: Path, memory: int, cpu: str) -> None:
    """Make it beside its place and move it there whole, so that half a template is never seen."""
    work = Path(tempfile.mkdtemp(prefix="making-", dir=directory.parent))
    try:
        elf, disc = _build_stub(work)
        session = Session(memory=memory, cpu=cpu, arguments=firmware.cdrom(disc))
        try:
            session.connect()
            _boot(session, elf)
            _save(session, work)
        finally:
            session.close()
        for path in work.iterdir():
            if path.name not in ("state", "pages", "information"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        work.chmod(0o755)
        work.rename(directory)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _boot(session: Session, elf: Elf) -> None:
    try:
        firmware.boot_to(session, elf.entry)
    except Failure as failure:
        raise BadMachine("the grader cannot prepare its machine: "
                         + "\n".join([failure.seen, *failure.details])) from failure


def _build_stub(work: Path) -> tuple[Elf, Path]:
    """Assemble the stub and put it on a disc."""
    for tool in TOOLS:
        if not shutil.which(tool):
            raise MissingTool(tool)
    stub = work / "stub.elf"
    run("nasm", "-f", "elf64", STUB, "-o", work / "stub.o")
    run(toolchain.tool("ld"), "-m", "elf_x86_64", "-n", "-e", "_start",
        f"-Ttext={STUB_ADDRESS:#x}", "-o", stub, work / "stub.o")
    return Elf(stub), make_disc(work, stub)


def _save(session: Session, work: Path) -> None:
    """Write the three files. Running and stopping again makes the machine `paused`: a state in
    which one can arrive, as one stopped by a debugger is not. The stub does not mind."""
    structure = session.gdb.registers().rbx
    session.qmp.command("cont")
    session.qmp.command("stop")
    _ignore_memory(session)
    with (work / "state").open("wb") as file:
        session.qmp.command("migrate", uri=f"exec:cat > {ours(file.fileno())}")
        session.qmp.wait_for("MIGRATION", status="completed")
    memory = PhysicalMemory(session.qemu.ram)
    size = int.from_bytes(memory.read(structure, 4), "little")
    information = memory.read(structure, size)
    (work / "information").write_bytes(information)
    with (work / "pages").open("wb") as file:
        for pa in _worth_keeping(session, memory_map(information)):
            file.write(pa.to_bytes(8, "little") + memory.read(pa, PAGE))


def _worth_keeping(session: Session, areas: list[MemoryArea]) -> Iterator[int]:
    """Pages that hold what a kernel may look for: the BIOS data, and whatever lies in low memory
    or where memory is not free (ACPI tables)."""
    free = [range(area.base + PAGE - 1 & -PAGE, area.end & -PAGE, PAGE) for area in areas
            if area.kind == AVAILABLE and area.base >= HIGH]
    for start, end in _written(session.qemu.ram.fd):
        for pa in range(start, end, PAGE):
            page = os.pread(session.qemu.ram.fd, PAGE, pa)
            if (pa == 0 or any(page)) and not any(pa in each for each in free):
                yield pa


def _written(fd: int) -> Iterator[tuple[int, int]]:
    """The parts of a sparse file that exist. (Beyond the split, offset and address differ, but
    there all memory is free.)"""
    at = 0
    with contextlib.suppress(OSError):
        while True:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
            yield start & -PAGE, at
