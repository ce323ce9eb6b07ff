"""The QEMU process: how it is started, what it is connected to, and that it never outlives us.

From 7.2 to 11.1 QEMUs differ in these. (What they do otherwise with instructions of programs is
listed in grade/programs/processors.py.)
- The exit port: up to 9.0 QEMU ends at once; from 9.1 on it asks for an orderly shutdown, and the
  processor runs on until then: session.py, Session._shut_down and Patience._still.
- A saved state is read from a regular file by `fd:` up to 10, by `exec:` everywhere: template.py.
- RFLAGS.RF in frames: 7.2 never sets it, 10.0 sets it for hardware interrupts too. The manual wants
  it for faults only (Intel SDM vol. 3B 17.3.1.1), and nothing depends on it: gdbremote.py and
  state.py leave it out of what they read and compare.
- PCID and INVPCID: no TCG has them; lab6/pcid.py plays them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from grade.errors import MissingTool
from grade.machine.layout import EXIT_PORT
from grade.machine.phys import SPLIT, Ram
from grade.machine.pump import BACKSTOP

PROGRAM = "qemu-system-x86_64"
STDERR_KEPT = 4000
LONGEST_SOCKET_PATH = 100
DIRECTORY = re.compile(r"rung-(\d+)-\w+")

_running: weakref.WeakSet[Qemu] = weakref.WeakSet()


class Qemu:
    """One virtual machine as a process, stopped before its first instruction.

    Serial output and input are its stdout and stdin; the interrupt log comes through a pipe, so
    that nothing grows on disk. The sockets for gdb and QMP are bound and listening before QEMU
    exists: connecting never has to be tried twice. Its RAM is a file in memory that we hold too:
    what is to lie in it before QEMU exists comes with `ram`."""

    def __init__(self, *, memory: int, cpu: str, arguments: Sequence[str] = (),
                 passed: Sequence[int] = (), ram: Ram | None = None,
                 exit_port: bool = True) -> None:
        self.owner = os.getpid()
        self.ram = ram or Ram(memory << 20)
        self.directory = run_directory()
        self.gdb_path = self.directory / "gdb"
        self.qmp_path = self.directory / "qmp"
        self.serial_log = self.directory / "serial.log"
        gdb, qmp = listen(self.gdb_path), listen(self.qmp_path)
        self.log, log_end = os.pipe()
        command = [
            *guardian(), program(),
            "-nodefaults", "-display", "none", "-no-reboot", "-no-shutdown", "-S",
            "-accel", "tcg", "-cpu", cpu, "-m", f"{memory}M",
            "-machine", f"pc,memory-backend=ram,max-ram-below-4g={SPLIT}",
            "-object", f"memory-backend-file,id=ram,share=on,size={memory}M,"
                       f"mem-path=/proc/self/fd/{self.ram.fd}",
            *(["-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"] if exit_port else []),
            "-chardev", f"socket,id=gdb,server=on,wait=off,fd={gdb.fileno()}",
            "-gdb", "chardev:gdb",
            "-chardev", f"socket,id=qmp,server=on,wait=off,fd={qmp.fileno()}",
            "-mon", "chardev=qmp,mode=control",
            "-chardev", "stdio,id=serial,signal=off",
            "-serial", "chardev:serial",
            "-D", f"/dev/fd/{log_end}", *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is ours to handle
            pass_fds=[self.ram.fd, gdb.fileno(), qmp.fileno(), log_end, *passed])
        self._stat = os.open(f"/proc/{self.pid}/stat", os.O_RDONLY)
        _running.add(self)
        gdb.close()
        qmp.close()
        os.close(log_end)
        self._words = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def serial(self) -> int:
        assert self.process.stdout
        return self.process.stdout.fileno()

    @property
    def errors(self) -> int:
        assert self.process.stderr
        return self.process.stderr.fileno()

    def hear(self, data: bytes) -> None:
        """Keep the end of what QEMU itself has to say."""
        self._words = (self._words + data)[-STDERR_KEPT:]

    @property
    def words(self) -> str:
        return self._words.decode(errors="replace").strip()

    def type(self, data: bytes) -> None:
        """Send bytes to the serial port."""
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def cpu_seconds(self) -> float:
        """Processor time that QEMU has used so far."""
        try:
            fields = os.pread(self._stat, 4096, 0).rpartition(b")")[2].split()
        except ProcessLookupError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def exited(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> int:
        """QEMU has hung up: its exit status, negative for a signal."""
        try:
            return self.process.wait(timeout=BACKSTOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """End the process, and remove every trace of it. Again is harmless."""
        if self in _running:
            _running.discard(self)
            self.process.kill()
            self.process.wait()
            self._release()
            shutil.rmtree(self.directory, ignore_errors=True)

    def _release(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        os.close(self.log)
        os.close(self._stat)
        self.ram.close()


@functools.lru_cache(maxsize=None)
def program() -> str:
    """Where QEMU is."""
    found = shutil.which(PROGRAM)
    if not found:
        raise MissingTool(PROGRAM)
    return found


def guardian() -> list[str]:
    """The words that make the kernel kill a child when its parent dies, however it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def listen(path: Path) -> socket.socket:
    """A listening unix socket."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    return listener


def run_directory() -> Path:
    """A directory for one run. Its path is short, since that of a socket has to be."""
    _sweep()
    base = tempfile.gettempdir()
    if len(base) > LONGEST_SOCKET_PATH - 40:
        base = "/tmp"
    return Path(tempfile.mkdtemp(prefix=f"rung-{os.getpid()}-", dir=base))


@functools.lru_cache(maxsize=None)
def _sweep() -> None:
    """Remove the directories of graders that were killed before they could (once per process)."""
    for path in Path(tempfile.gettempdir()).glob("rung-*-*"):
        match = DIRECTORY.fullmatch(path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)


@atexit.register
def kill_all() -> None:
    """Whatever is still running when the grader ends is ended with it."""
    for qemu in list(_running):
        if qemu.owner == os.getpid():  # not what a fork inherited
            qemu.kill()
