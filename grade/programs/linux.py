"""Linux as the oracle: it runs the very same files, and its fate for a program is the right one."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess

from grade.errors import MissingTool
from grade.programs.broken import broken_segments
from grade.programs.suite import Fate, Run

LIMIT = 900  # seconds: only what hangs takes so long
STACK = 8 << 20  # as much as Rung allows
OPEN_FILES = 16  # likewise
LIMITS = ("--core=0", f"--stack={STACK}:{STACK}", f"--nofile={OPEN_FILES}:{OPEN_FILES}")

# Programs, or runs, that Linux and Rung cannot agree about, and why. Their fate is what their
# comment says.
NOT_LINUX = {
    "brk-all": "how much memory there is, and how much of it is promised, is each system's own",
    "bss-endless": "the same; and Linux finds out when it is too late for an error",
    "cow-no-memory": "as for brk-all; and whom Linux then ends is for Linux to choose",
    "fork-bomb": "how many processes there may be is each system's own; for root, very many",
    "fork-bomb-killed": "the same",
    "jump-compat": "Linux has a 32-bit code segment there, Rung has half of its TSS",
    "kill-groups": "Rung has one group of processes; and Linux would kill everybody",
    "pipe-most": "how many pipes there may be is each system's own",
    "sysenter": "on Intel's processors Linux takes it for a 32-bit program's system call",
    "sysexit": "AMD's processors do not know it in 64-bit mode; Intel's raise #GP",
    "umip": "Linux makes up an answer, so that old programs go on working",
    "wrgsbase": "Linux allows the instruction; Rung does not, so isr.asm can trust GS_BASE's sign",
    "xsetbv": "Linux has set CR4.OSXSAVE, so there it is not unknown but forbidden",
    **{f"exec-broken {name}": "Linux looks at the segments when the old program is gone"
       for name in broken_segments()},
}


def incomparable(run: Run) -> str | None:
    """Why Linux says nothing about a run; None if it does."""
    return NOT_LINUX.get(run.title) or NOT_LINUX.get(run.name)


def is_oracle() -> bool:
    """Are we on a Linux that can run the programs?"""
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def fate_on_linux(run: Run) -> Fate:
    """Run it here, where no signal of its own reaches us. Its output goes to a file, for which a
    write that ends in the middle counts what came through, as on Rung's console: for a pipe it
    does not."""
    prlimit = shutil.which("prlimit")
    if not prlimit:
        raise MissingTool("prlimit")
    environment: dict[str, str] = {}
    with (os.fdopen(os.memfd_create("output"), "w+b") as output,
          open(os.devnull, "rb") as nothing):  # not for writing
        # What we were started with (nohup, a shell's &) may have signals ignored: not for these.
        done = subprocess.run(["/usr/bin/env", "--default-signal", prlimit, *LIMITS, str(run.elf),
                               *run.arguments],
                              env=environment, stdin=nothing, stdout=output, stderr=output,
                              timeout=LIMIT, start_new_session=True)
        output.seek(0)
        return Fate(output.read(), words(done.returncode))


def words(status: int) -> str:
    """subprocess's number for how a program ended."""
    return f"exit {status}" if status >= 0 else signal.Signals(-status).name
