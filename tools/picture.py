"""The picture in the README: a real run of the grader on a kernel with a known bug, as a terminal
shows it. `tools/python -m tools.picture` makes it anew."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

from rich.console import Console
from rich.text import Text

from grade.tree import ROOT
from tools.bug import BUGS, COPIES, bug_tree, load_bug

BUG = "lab1-identity-forgotten"
SEED = "1"
WIDTH = 112
PICTURE = ROOT / "book/graded-run.svg"


def on_terminal(command: list[str]) -> str:
    """Run a command on a terminal of its own; all that it wrote there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 4096):
            written += data
    except OSError:  # Linux says so when the last writer has gone
        pass
    process.wait()
    return written.decode(errors="replace")


def plain(line: str) -> Text:
    """A line of the terminal as rich's text: its decoder drops blanks behind a change of colour."""
    return Text.from_ansi(line.rstrip().replace(" ", "\u00a0"))


def last_frame(text: str) -> str:
    """What remains on the screen: lines that were written over are gone."""
    lines = [line.split("\r")[-1].replace("\x1b[2K", "")
             for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(line for line in lines if not line.startswith("\x1b[2m"))


def main() -> int:
    bug = load_bug(BUGS / f"{BUG}.patch")
    tree = COPIES / bug.name
    bug_tree(bug, tree)
    command = [sys.executable, "-m", "grade", "--lab", str(bug.lab), "--test",
               "T1.1,T1.2,T1.3,T1.4", "--seed", SEED, "--from", str(tree.relative_to(ROOT))]
    text = last_frame(on_terminal(command))
    console = Console(record=True, width=WIDTH + 1, file=io.StringIO(),
                      force_terminal=True)
    for line in ("$ make grade LAB=1\n" + text).splitlines():
        console.print(plain(line), no_wrap=True, overflow="ignore", crop=False)
    PICTURE.parent.mkdir(exist_ok=True)
    console.save_svg(str(PICTURE), title="make grade")
    return 0


if __name__ == "__main__":
    sys.exit(main())
