"""Record a lab's run, and go back in it: make rewind.

From the environment: PROGRAM's ARGS=, CMDLINE=, FROM= (another tree's labs), CC= and OPT=.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import textwrap
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grade import toolchain
from grade.debug import gdb_command
from grade.errors import MissingTool, printable
from grade.lab import Lab
from grade.machine.recording import Recorder, before_the_end, hand_over
from grade.outcome import Failure, Outcome
from tools import command
from tools.command import say
from tools.console import END_OF_INPUT, Annotator, places, terminal_restored, write_all
from tools.kernel import built_lab, in_words, modules
from grade.tree import ROOT

AT_AN_INSTRUCTION = (Outcome.TRIPLE_FAULT,)
WIDTH = 78
TICK = 0.1  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="make rewind", description=__doc__)
    parser.add_argument("--lab", type=int, required=True, help="the lab's number")
    parser.add_argument("--program", nargs="*", default=[], help="programs to run, from lab 3 on")
    asked = parser.parse_args()
    if not shutil.which(toolchain.gdb()):
        raise MissingTool(toolchain.gdb())
    lab = built_lab(asked.lab)
    programs = modules(asked.lab, asked.program, os.environ.get("ARGS", ""))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # The recording is worth nothing when the person has left.
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="rewind-") as own:
        return rewind(lab, Recorder(lab.kernel, Path(own), cmdline=os.environ.get("CMDLINE", ""),
                                    modules=programs))


def rewind(lab: Lab, recorder: Recorder) -> int:
    """Record, say how it ended, and leave the replay to gdb."""
    say(f"Recording {lab.directory.name}. To end it: Ctrl-C.")
    with recorder, console(recorder):
        failure = recorder.record()
    say("\n" + ending(recorder, failure))
    replay, end = before_the_end(recorder)
    try:
        stop = hand_over(replay)
    except BaseException:
        replay.close()
        raise
    try:
        kind = "fault" if failure and failure.outcome in AT_AN_INSTRUCTION else "out"
        converse([*gdb_command(stop, lab), "-ex", f"rung-rewind {end} {kind}"])
    finally:
        stop.end()
    return 0


@contextmanager
def console(recorder: Recorder) -> Iterator[None]:
    """The machine's console on this terminal, and Ctrl-C for the end of the recording."""
    session, annotator = recorder.session, Annotator(places(recorder.kernel))
    awake, over = threading.Event(), threading.Event()

    def show(data: bytes) -> None:
        session.console.feed(data)
        write_all(annotator.feed(data))
        awake.set()

    session.pump.remove(session.qemu.serial)
    session.pump.add(session.qemu.serial, show)
    before = signal.signal(signal.SIGINT, lambda number, frame: recorder.interrupt())
    listener = threading.Thread(target=listen, args=(recorder, awake, over))
    listener.start()
    try:
        with terminal_restored():
            with suppress(termios.error, OSError):
                tty.setcbreak(0)
            yield
    finally:
        over.set()
        listener.join()
        signal.signal(signal.SIGINT, before)


def listen(recorder: Recorder, awake: threading.Event, over: threading.Event) -> None:
    """Hand on what is typed, until the recording is over: what comes then is for gdb. What nobody
    types waits until the kernel has said something: before, it would be lost. Its end is Ctrl-D for
    every program that asks."""
    typed = os.isatty(0)
    with suppress(OSError, ValueError):  # QEMU has gone
        while not over.is_set():
            if not typed and not awake.wait(TICK) or not select.select([0], [], [], TICK)[0]:
                continue
            data = os.read(0, 4096)
            recorder.session.qemu.type(data or END_OF_INPUT)
            if not data:
                return


def ending(recorder: Recorder, failure: Failure | None) -> str:
    """How the recording ended, for a terminal."""
    if recorder.interrupted:
        return "The recording ends where you ended it."
    if failure is None:
        return "The kernel came to its end. The recording ends there."
    lines = [f"The recording ends with this: {failure.outcome.value}.", failure.seen,
             *failure.details, *([f"mostly: {failure.hint}"] if failure.hint else [])]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="    ")
                     for line in printable("\n".join(lines)).splitlines())


def converse(words: list[str]) -> None:
    """gdb, until the person leaves it. Where the input came from a file, gdb's comes from the
    terminal, if there is one. Ctrl-C is for gdb."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with suppress(OSError):
            if not os.isatty(0):
                with open("/dev/tty") as terminal:
                    os.dup2(terminal.fileno(), 0)
        subprocess.call(words)
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    command.run("make rewind", in_words(main))
