"""A run that QEMU records, and replays as often as one likes: also up to an instruction that lies
behind. (QEMU's documentation: System Emulation, Record/replay.)

Each step back is a replay from a saved state on, and a BIOS and GRUB would be 77 million
instructions of it: so this machine begins with rom.asm. As measured,
from QEMU 7.2 on:
- With the local APIC's vapic a replay hangs, mostly at the second command backwards.
- At the end of a recording nothing goes backwards any more: 7.2 aborts, or waits for ever. So the
  machine is replayed twice: to the end, to learn where that is, and then to one instruction before.
- From there on one reverse-stepi must come first: without it 10.0 misses breakpoints backwards.
- The exit port ends QEMU in the replay too. So it is there in the recording only."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from grade.errors import BadMachine, MissingTool
from grade.machine.loader import place
from grade.machine.handover import HandOver
from grade.machine.machine import Machine
from grade.machine.multiboot2 import RESERVED, MemoryArea, Module
from grade.machine.phys import PhysicalMemory, Ram
from grade.machine.firmware import escaped
from grade.machine import layout
from grade.machine.qmp import QmpError
from grade.machine.session import Ending, Limits, Session, Stop
from grade.outcome import Failure

ROM = Path(__file__).resolve().parent / "rom.asm"
CPU, MEMORY = "max", 64  # MiB
# Free memory is full of this, as for a check: but only where frames are handed out from, since all
# of it is read again at each step back.
FILL, FILLED = 0xA5, 8 << 20
AREAS = (MemoryArea(0, 0x9FC00), MemoryArea(0x9FC00, 0x400, RESERVED),
         MemoryArea(0xF0000, 0x10000, RESERVED), MemoryArea(1 << 20, MEMORY - 1 << 20))
FOREVER = Limits(cpu=1e12, exceptions=1 << 60, ticks=1 << 60, idle=1e12, flood=1 << 60)
CLUSTER = 1 << 16
LONG, NEAR = 20_000_000, 1_000_000  # instructions: of a long run a state near the end is saved, too
GOAL = "the kernel runs to its end"


class Recorder(Machine):
    """A machine whose run is recorded in a directory of its own."""

    def __init__(self, kernel: Path, directory: Path, *, cmdline: str = "",
                 modules: Sequence[Module] = ()) -> None:
        super().__init__(kernel, cmdline=cmdline, modules=modules, memory=MEMORY, cpu=CPU,
                         fill=FILL, limits=FOREVER)
        self.directory = directory
        self.interrupted = False

    def _boot(self) -> None:
        ram = Ram(self.setup.memory << 20)
        ram.fill(0, FILLED, self.setup.fill)
        self.phys = PhysicalMemory(ram)
        entry, self.information = place(
            self.symbols.elf, self.phys, AREAS, cmdline=self.setup.cmdline,
            modules=self.setup.modules, areas=None, rng=self.setup.rng)
        assemble_rom(self.directory / "rom", entry, self.information)
        (self.directory / "disk").write_bytes(empty_disk())
        self._session = Session(memory=self.setup.memory, cpu=self.setup.cpu,
                                limits=self.limits, ram=ram,
                                arguments=arguments(self.directory, "record"))
        self.session.connect()

    def __enter__(self) -> Recorder:
        super().__enter__()
        return self

    def record(self) -> Failure | None:
        """Let the kernel run until it ends, or until interrupt() is called: why it ended, in words,
        unless it left as it should. Only after this the recording is whole."""
        try:
            stop = self.run_to_stop()
            failure = None if self.interrupted or _well(stop) else self.classify(stop, GOAL)
        except (QmpError, BadMachine):  # QEMU was ended while it was asked
            if not self.interrupted:
                raise
            failure = None
        if not self.session.over:
            self.session.qmp.quit()
        self.session.qemu.wait()
        return failure

    def interrupt(self) -> None:
        """End the recording here. QEMU takes its leave when it is asked to; killed, it would leave
        half a recording. May be called by a handler of a signal."""
        self.interrupted = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.session.qemu.pid, signal.SIGTERM)


def _well(stop: Stop) -> bool:
    return stop.ending == Ending.EXIT and stop.value == layout.EXIT_OK


class Replay(Machine):
    """A machine that does again what was recorded."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder.kernel, memory=MEMORY, cpu=CPU, limits=FOREVER)
        self.directory = recorder.directory

    def _boot(self) -> None:
        self._session = Session(memory=self.setup.memory, cpu=self.setup.cpu,
                                limits=self.limits,
                                exit_port=False, arguments=arguments(self.directory, "replay"))
        self.phys = PhysicalMemory(self.session.qemu.ram)
        self.session.connect()

    def __enter__(self) -> Replay:
        super().__enter__()
        return self

    def to_the_end(self) -> int:
        """How many instructions were recorded. From here on the machine cannot go back."""
        self.session.qmp.command("cont")
        self._wait_for("SHUTDOWN")
        return self.instructions()

    def go_to(self, instruction: int) -> None:
        """Replay up to here, and stop before that instruction."""
        self.session.qmp.events.clear()
        self.session.qmp.command("replay-break", icount=instruction)
        self.session.qmp.command("cont")
        self._wait_for("STOP")

    def save(self, name: str) -> None:
        """Keep the state of here: going back to what comes after it begins with it."""
        said = self.session.qmp.monitor(f"savevm {name}")
        if said.strip():
            raise BadMachine(f"QEMU cannot save the machine's state: {said.strip()}")

    def instructions(self) -> int:
        said = self.session.qmp.monitor("info replay")
        found = re.search(r"instruction count = (\d+)", said)
        if not found:
            raise BadMachine(f"QEMU does not say where its replay is: {said.strip()}")
        return int(found[1])

    def _wait_for(self, event: str) -> None:
        """Wait for what QEMU says when it stops, however long the run was."""
        session = self.session
        while not any(each["event"] == event for each in session.qmp.events):
            session.pump.turn(0.1)
            if session.over:
                session.pump.drain()
                raise BadMachine(f"QEMU ended in the middle of a replay: {session.qemu.words}")


def before_the_end(recorder: Recorder) -> tuple[Replay, int]:
    """A replay that stands one instruction before its end, and the number of that. It lives on
    until close(); a HandOver gives it to gdb."""
    with Replay(recorder) as replay:
        end = replay.to_the_end()
    if end < 2:
        raise BadMachine("the recording holds no instruction")
    replay = Replay(recorder)
    with contextlib.ExitStack() as undo:
        undo.push(replay.__exit__)
        replay.__enter__()
        if end > LONG:
            replay.go_to(end - NEAR)
            replay.save("near")
        replay.go_to(end - 1)
        undo.pop_all()
    return replay, end


def hand_over(replay: Replay) -> HandOver:
    """Leave a replay to a person's gdb."""
    stop = HandOver(replay, replay.regs.rip)
    stop.begin()
    return stop


def arguments(directory: Path, mode: str) -> list[str]:
    """What makes QEMU record, or replay, what lies in the directory."""
    log, disk = escaped(directory / "log"), escaped(directory / "disk")
    return ["-global", "apic-common.vapic=off",
            "-icount", f"shift=3,rr={mode},rrfile={log},rrsnapshot=begin",
            "-drive", f"if=none,id=states,format=qcow2,file={disk}",
            "-bios", str(directory / "rom")]


def assemble_rom(rom: Path, entry: int, information: int) -> None:
    """The ROM that enters the kernel at a physical address, with the information at another."""
    if not shutil.which("nasm"):
        raise MissingTool("nasm")
    done = subprocess.run(["nasm", "-f", "bin", f"-DENTRY={entry:#x}",
                           f"-DINFORMATION={information:#x}", "-o", rom, ROM],
                          capture_output=True, text=True)
    if done.returncode:
        raise BadMachine(f"nasm cannot make the machine's ROM: {done.stderr.strip()}")


def empty_disk() -> bytes:
    """A qcow2 image in which nothing is: QEMU keeps states of machines in such files (its
    docs/interop/qcow2.txt). Four clusters: header, level 1 table, table of reference counts, and a
    block of these counts for the four."""
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, CLUSTER.bit_length() - 1,
                         1 << 20, 0, 1, CLUSTER, 2 * CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104)
    counts = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(CLUSTER, b"\0") for part in (
        header, b"", struct.pack(">Q", 3 * CLUSTER), counts))
