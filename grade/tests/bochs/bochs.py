"""Bochs: a second processor, which is less permissive than QEMU's TCG, under its own debugger.

The debugger reads commands from a pipe and says where the machine stands. So a test knows the
regular end as it does in QEMU: the machine stands at machine_exit, in ring 0, with the code in
RDI. Time is counted in instructions: the machine's clock knows no other, and neither does the
limit."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from grade.machine.qemu import guardian

PACKAGES = "Debian: bochs, bochs-term"
ICE_LAKE, HASWELL, SANDY_BRIDGE, RYZEN = (
    "corei7_icelake_u", "corei7_haswell_4770", "corei7_sandy_bridge_2600k", "ryzen")
MOST = 20_000_000_000  # instructions; the labs take 0.1 of these
CPU_LIMIT = 300  # seconds of processor time: to halt for ever takes no instructions
IPS = 4_000_000  # a slow processor waits for its firmware's delays with fewer instructions

CONFIGURATION = """
plugin_ctrl: serial=1, speaker=0
display_library: term
cpu: model={model}, count=1, ips={ips}, reset_on_triple_fault=0
clock: sync=none, time0=1700000000
memory: guest=64, host=64
romimage: file={bios}
vgaromimage: file={vga}
ata0-master: type=cdrom, path="{disc}", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev="{serial}"
log: "{log}"
panic: action=fatal
"""
SHUTDOWN = "Bochs has ended, or its processor has shut down after a triple fault"
PROMPT = re.compile(rb"<bochs:\d+> $")
SCREEN = re.compile(rb'Bochs connected to screen "(/dev/\S+)"')
STANDS = re.compile(rb"^\(0\) \[\w+\] (\w{4}):(\w+) ", re.M)
PAGE = re.compile(rb"maps to physical page (0x\w+)")
REGISTER = r"^{}\s*: (\w{{8}})_(\w{{8}})"


class BochsEnded(Exception):
    """The machine, or Bochs itself, has ended where it must not."""


def program() -> str | None:
    """A Bochs with the debugger in it, or None."""
    found = shutil.which("bochs-bin") or shutil.which("bochs")
    return found if found and b"<bochs:%" in Path(found).read_bytes() else None


def debugger(bochs: str) -> list[str]:
    """The option that Bochs 3 wants before it starts its debugger. Bochs 2 always does."""
    option = "-debugger"
    return [option] if option.encode() in Path(bochs).read_bytes() else []


class Bochs:
    """A machine that boots from a disc. A context manager, in which it stands before its first
    instruction, and after which nothing of it is left running."""

    def __init__(self, disc: Path, directory: Path, model: str, most: int = MOST) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._serial, self._log, self._memory = (directory / name for name in
                                                 ("serial", "log", "memory"))
        self._serial.unlink(missing_ok=True)
        self._most = most
        configuration = directory / "bochsrc"
        configuration.write_text(CONFIGURATION.format(
            model=model, ips=IPS, bios=rom("BIOS-bochs-latest"), vga=rom("VGABIOS-lgpl-latest"),
            disc=disc, serial=self._serial, log=self._log))
        bochs = program()
        assert bochs, f"Bochs with its debugger is not installed ({PACKAGES})"
        self._process = subprocess.Popen(
            [*guardian(), "prlimit", f"--cpu={CPU_LIMIT}", "--core=0",
             bochs, *debugger(bochs), "-q", "-f", configuration],
            cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env={**os.environ, "TERM": "xterm", "LC_ALL": "C"})
        self._screen: int | None = None
        self._said = b""
        self._selector = selectors.DefaultSelector()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            self._selector.register(stream.fileno(), selectors.EVENT_READ)

    def __enter__(self) -> Bochs:
        try:
            self._until_prompt()
            self._command(f"sb {self._most}")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                with suppress(OSError):
                    stream.close()
        if self._screen is not None:
            os.close(self._screen)

    # The machine

    def stop_at(self, address: int) -> None:
        """From now on, stop before the instruction at this address."""
        self._command(f"lb {address:#x}")

    def run(self) -> tuple[int, int]:
        """Go on until such an instruction is next; its address, and the ring."""
        said = self._command("c")
        places = STANDS.findall(said)
        if not places or b"Breakpoint" not in said:
            late = b"time breakpoint" in said
            raise BochsEnded(self._evidence(f"the machine did not come further in {self._most} "
                                            "instructions" if late else SHUTDOWN, said))
        selector, address = places[-1]
        return int(address, 16), int(selector, 16) & 3

    def run_to_exit(self, machine_exit: int) -> int:
        """Go on to the regular end: the code that the kernel ends with."""
        while self.run() != (machine_exit, 0):
            pass  # a program tried to jump there, or another stop of a test's
        return self.register("rdi") & 0xFF

    def register(self, name: str) -> int:
        said = self._command("r").decode(errors="replace")
        found = re.search(REGISTER.format(name), said, re.M)
        assert found, said
        return int(found[1] + found[2], 16)

    def read(self, address: int, size: int) -> bytes:
        """Memory, by the tables in use."""
        self._command(f'writemem "{self._memory}" {address:#x} {size}')
        return self._memory.read_bytes()

    def set_u32(self, address: int, value: int) -> None:
        """Write four bytes of memory, by the tables in use."""
        found = PAGE.search(self._command(f"page {address:#x}"))
        assert found, f"{address:#x} is not mapped"
        self._command(f"setpmem {int(found[1], 16) | address & 0xFFF:#x} 4 {value:#x}")

    @property
    def text(self) -> str:
        """What came out of the serial port. The last byte may still be on the line."""
        return self._serial.read_text(errors="replace") if self._serial.exists() else ""

    # The debugger

    def _command(self, words: str) -> bytes:
        """Give a command; what the debugger says until it asks for the next one."""
        assert self._process.stdin
        self._process.stdin.write(words.encode() + b"\n")
        self._process.stdin.flush()
        return self._until_prompt()

    def _until_prompt(self) -> bytes:
        self._said = b""
        while not PROMPT.search(self._said):
            for key, _ in self._selector.select():
                self._take(key.fd)
        return self._said

    def _take(self, fd: int) -> None:
        """Read from Bochs, and from its screen: else it would wait until somebody does."""
        assert self._process.stdout and self._process.stderr
        try:
            data = os.read(fd, 1 << 16)
        except OSError:  # the screen has gone
            data = b""
        if fd == self._process.stdout.fileno():
            self._said += data
            if not data:
                raise BochsEnded(self._evidence(SHUTDOWN, self._said))
        elif fd == self._process.stderr.fileno():
            found = SCREEN.search(data)
            if found and self._screen is None:
                self._screen = os.open(found[1], os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
                self._selector.register(self._screen, selectors.EVENT_READ)
        if not data:
            self._selector.unregister(fd)

    def _evidence(self, words: str, said: bytes) -> str:
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join((words, said.decode(errors="replace")[-500:], "the end of its log:",
                          *log.splitlines()[-30:], "the serial port:", self.text[-2000:]))


def rom(name: str) -> Path:
    """A file of firmware, where Bochs has it (BXSHARE) or Debian."""
    return Path(os.environ.get("BXSHARE") or "/usr/share/bochs") / name
