"""make run's console: what is added to the lines, what passes, and what is left behind."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pexpect
import pytest

from grade import toolchain
from grade.machine import firmware
from grade.tests import HANGING
from tools import console, run
from tools.command import Refusal
from tools.console import Annotator

ROOT = Path(__file__).resolve().parents[3]
PLACES = {0xffffffff80101233: "paging.c:42", 0xffffffff80101300: "trap.c:7"}
BACKTRACE = (b"  rip ffffffff80101300  rflags 0\r\n"
             b"  [<ffffffff80101300>] trap+0x0\r\n"
             b"  [<ffffffff80101234>] walk+0x12\r\n"
             b"  [<ffffffff80109999>] what+0x1\r\n")
ANNOTATED = (b"  rip ffffffff80101300  rflags 0\r\n"
             b"  [<ffffffff80101300>] trap+0x0 (trap.c:7)\r\n"
             b"  [<ffffffff80101234>] walk+0x12 (paging.c:42)\r\n"
             b"  [<ffffffff80109999>] what+0x1\r\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_places_are_added_in_pieces_of_any_size(size: int) -> None:
    annotator = Annotator(PLACES.get)
    pieces = [BACKTRACE[i:i + size] for i in range(0, len(BACKTRACE), size)]
    assert b"".join(annotator.feed(piece) for piece in pieces) == ANNOTATED


def test_a_prompt_is_shown_at_once() -> None:
    annotator = Annotator(PLACES.get)
    assert annotator.feed(b"rung> ") == b"rung> "
    assert annotator.feed(b"x\r") == b"x"
    assert annotator.feed(b"y") == b"\ry"


def test_any_byte_passes() -> None:
    everything = bytes(range(256)) * 3
    annotator = Annotator(PLACES.get)
    assert annotator.feed(everything) + annotator.held == everything


def test_a_line_without_an_end_fills_no_memory() -> None:
    annotator = Annotator(PLACES.get)
    for _ in range(100):
        annotator.feed(b"x" * 65536)
    assert len(annotator.line) <= console.LONGEST_LINE


def test_places_of_addresses(tmp_path: Path) -> None:
    source, program = tmp_path / "here.c", tmp_path / "here"
    source.write_text("\n\nint main(void) { return 0; }\n")
    subprocess.run([toolchain.tool("gcc"), "-g", "-static", "-nostdlib", "-Wl,-e,main", "-o",
                    program, source], check=True)
    symbols = subprocess.run([toolchain.tool("nm"), program], text=True,
                             capture_output=True, check=True).stdout
    address = next(line.split()[0] for line in symbols.splitlines() if line.endswith(" T main"))
    locate = console.places(program)
    assert locate(int(address, 16)) == "here.c:3"
    assert locate(1) is None


CHILD = """
import os, sys
from pathlib import Path
from tools.console import attend
print("status", attend({command!r}, Path("none")))
"""
# What QEMU does to a terminal: raw, and non-blocking for everybody who shares it.
SPOIL = "import tty, os; tty.setraw(0); os.set_blocking(0, False); "


@pytest.mark.parametrize(("then", "status"), [
    ("os.write(1, b'z' * 300000)", "status 0"),
    ("os._exit(33)", "status 33"),
    ("os.kill(os.getppid(), 15); import time; time.sleep(60)", "143"),
])
def test_the_terminal_is_restored_whatever_happens(then: str, status: str) -> None:
    child = CHILD.format(command=[sys.executable, "-c", SPOIL + then])
    shell = pexpect.spawn("sh", cwd=str(ROOT), timeout=60, encoding="utf-8",
                          env={**os.environ, "PS1": "", "PROGRAM": child})
    try:
        shell.sendline("stty -echo")
        shell.sendline("echo rea''dy")
        shell.expect("ready")
        before = termios.tcgetattr(shell.child_fd)
        shell.sendline(f'{sys.executable} -c "$PROGRAM"; echo en"ded" $?')
        shell.expect("ended [0-9]+")
        assert status in (shell.before or "") + str(shell.after)
        assert termios.tcgetattr(shell.child_fd) == before
        shell.sendline("read answer; echo got $answer")
        shell.sendline("this")
        shell.expect("got this")
    finally:
        shell.close(force=True)


def test_qemu_does_not_outlive_us(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    qemu = ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"]
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(command=qemu)], cwd=ROOT)
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.01)
    child.terminate()
    assert child.wait(60) == 128 + 15
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_qemu_does_not_outlive_the_terminal(tmp_path: Path) -> None:
    """make leads the session: SIGHUP ends neither us, who do not get it, nor make, who waits."""
    pid_file = tmp_path / "pid"
    qemu = ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"]
    (tmp_path / "child.py").write_text(CHILD.format(command=qemu))
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@{sys.executable} {tmp_path}/child.py\n")
    make, terminal = pty.fork()
    if make == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execvp("make", ["make", "-f", str(makefile)])
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.01)
    os.close(terminal)
    os.waitpid(make, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(("status", "log", "code", "words"), [
    (33, "", 0, ""),
    (35, "", 1, "panicked"),
    (37, "", 1, "not written"),
    (0, "", 0, ""),
    (0, "Triple fault\n", 1, "make grade LAB=2"),
    (1, "", 2, "status 1"),
])
def test_exit_statuses_mean_something(status: int, log: str, code: int, words: str,
                                      tmp_path: Path) -> None:
    (tmp_path / "qemu.log").write_text(log)
    found, said = run.verdict(status, tmp_path / "qemu.log", "lab2-paging")
    assert found == code and words in said


def test_the_machine_is_as_asked(tmp_path: Path) -> None:
    machine = run.qemu_command(tmp_path, tmp_path, {"MEM": "1G", "QEMU_ARGS": "-d 'int,cpu_reset'"},
                               typed=True)
    assert machine[machine.index("-m") + 1] == "1G"
    assert machine[-2:] == ["-d", "int,cpu_reset"]
    assert "pflash" not in " ".join(machine)


@pytest.mark.parametrize(("environment", "complaint"), [
    ({"MEM": "1M"}, "MEM=1M is not enough: GRUB needs 4M"),
    ({"MEM": "3000k"}, "MEM=3000k is not enough"),
    ({"MEM": "63", "UEFI": "1"}, "MEM=63 is not enough: UEFI firmware needs 64M"),
    ({"MEM": "nonsense"}, "MEM=nonsense is no size"),
    ({"MEM": "-1M"}, "MEM=-1M is no size"),
    ({"MEM": "128M,slots=2"}, "is no size"),
    ({"UEFI": "yes"}, "UEFI=yes is neither 1 nor 0"),
    ({"QEMU_ARGS": "'"}, "QEMU_ARGS=' cannot be cut into words"),
])
def test_a_machine_that_cannot_be_is_refused(environment: dict[str, str], complaint: str,
                                             tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=complaint):
        run.qemu_command(tmp_path, tmp_path, environment, typed=True)


def test_uefi_variables_are_written_to_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                               ) -> None:
    place = tmp_path / "Doe,Jane"
    place.mkdir()
    (place / "code").touch()
    (place / "variables").touch()
    monkeypatch.setattr(firmware, "PLACES", ("/no/such", str(place)))
    monkeypatch.setattr(firmware, "PAIRS", (("no", "such"), ("code", "variables")))
    command = run.qemu_command(tmp_path, tmp_path, {"UEFI": "1"}, typed=True)
    assert (f"if=pflash,format=raw,snapshot=on,file={tmp_path}/Doe,,Jane/variables"
            in command), "a comma in a path is doubled"


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "1234.", "\u0661"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(Refusal, match=f"GDBPORT={re.escape(port)} is no port"):
        run.gdb_arguments("lab1-boot", {"GDBPORT": port})


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(Refusal, match=f"port {port} cannot be had .*GDBPORT="):
            run.gdb_arguments("lab1-boot", {"GDBPORT": port})


# A machine that says something, waits, and then tells of all that it was given, up to three Ctrl-D.
LISTENER = r"""
import os, select, sys
os.write(1, sys.argv[1].encode())
early = select.select([0], [], [], None if sys.argv[3] else 0.3)[0]
os.write(1, sys.argv[2].encode())
got = b""
while got.count(4) < 3:
    got += os.read(0, 1)
print("early" if early else "", got.hex())
"""


@pytest.mark.parametrize(("awake", "first", "then", "early"), [
    (b"", "x", "", True), (b"", "", "x", False),
    (b"Rung lab", "BdsDxe: starting Boot0001", "Rung lab 1", False),
    (b"Rung lab", "Rung", " lab 1", False),
])
def test_what_is_not_typed_waits_for_the_kernel(awake: bytes, first: str, then: str, early: bool,
                                                tmp_path: Path) -> None:
    everything = bytes(byte for byte in range(256) if byte != 4) * 40
    machine = [sys.executable, "-c", LISTENER, first, then, "early" if early else ""]
    child = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from tools.console import "
         f"attend; sys.exit(attend({machine!r}, "
         f"Path('none'), {awake!r}))"],
        cwd=ROOT, input=everything, capture_output=True, timeout=HANGING)
    said = child.stdout.decode().removeprefix(first + then).split()
    assert (said[0] == "early") == early
    assert bytes.fromhex(said[-1]) == everything + b"\x04\x04\x04"
    assert child.returncode == 0


def redirected(program: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a shell does that redirects its input and output."""
    script = f'exec {sys.executable} -c "$1" {redirection}'
    return subprocess.run(["sh", "-c", script, "sh", program], cwd=ROOT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=HANGING)


@pytest.mark.parametrize("redirection", ["< /dev/null", "<&-"])
def test_no_input_is_the_end_of_the_input(redirection: str) -> None:
    listener = [sys.executable, "-c", LISTENER, "x", "", ""]
    program = ("from pathlib import Path; from tools import command; from tools.console import "
               f"attend; command.run('run', lambda: attend({listener!r}, Path('none')))")
    done = redirected(program, redirection)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" 040404\n")


def test_a_shell_reads_all_of_a_pipe() -> None:
    """Lab 6's: the first byte, more words than one can count, and a line that is too long; then the
    end of the input ends a program, and the shell."""
    script = ["hello" + " word" * 20, "hello " + "x" * 127, "wc", "two", "lines"]
    done = subprocess.run(["make", "run", "LAB=6"], cwd=ROOT, input="\n".join(script) + "\n",
                          capture_output=True, text=True, timeout=HANGING)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.partition("Rung's shell")[2].replace("\r", "").splitlines()
    assert said.count("argument: word") == 20
    assert said.count("Hello from userspace! (via Rung syscall handler)") == 1
    assert "sh: this line is too long" in said and "2 lines, 10 bytes" in said
    assert "Rung lab 6: done" in said


@pytest.mark.parametrize("tool", ["run", "diff"])
@pytest.mark.parametrize(("redirection", "cause"), [
    ("> /dev/full", "No space left on device"),
    (">&-", "the standard output is closed"),
    (">&- 2>&-", ""),
    ("> /dev/full 2> /dev/full", ""),
])
def test_an_output_that_cannot_be_written_ends_in_words(tool: str, redirection: str,
                                                        cause: str) -> None:
    work = {"run": "attend(['echo', 'hello'], Path('none'))", "diff": "print('hello') or 0"}[tool]
    program = ("from pathlib import Path; from tools import command; from tools.console import "
               f"attend; command.run('make {tool}', lambda: {work})")
    done = redirected(program, redirection)
    assert done.returncode == 2
    assert done.stderr == (f"make {tool}: {done.stderr.partition(': ')[2]}" if cause else "")
    assert cause in done.stderr and "Traceback" not in done.stderr
