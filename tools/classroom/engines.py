"""GNU parallel or Slurm: they start `one` for what is to be graded, and start it again where a
worker or a node dies. What was graded is told by the records alone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from grade.tree import ROOT
from tools.classroom.one import TODO
from tools.command import Refusal

TRIES = 3  # of a submission whose worker died
MOST_TASKS = 1000  # of a Slurm array, as it comes
SCRIPT = ROOT / "tools" / "class.sbatch"
LOG = "engine.log"
HELP = "`make setup class` installs it"


class Engine(ABC):
    """One run of an engine. After stop() nothing of it runs."""

    def __init__(self, out: Path, todo: Sequence[str], jobs: int) -> None:
        self.out, self.todo, self.jobs = out, todo, jobs
        (out / TODO).write_text("".join(f"{label}\n" for label in todo))

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def running(self) -> bool: ...

    @abstractmethod
    def stop(self) -> None: ...


class Parallel(Engine):
    """GNU parallel, on this machine or, by its own means (~/.parallel), on others."""

    def start(self) -> None:
        require("parallel")
        log = open(self.out / LOG, "wb")
        self.process = subprocess.Popen(
            ["parallel", "--will-cite", f"--jobs={self.jobs}", f"--retries={TRIES}",
             "--halt=never", "--termseq=TERM,5000,KILL", "--plain", sys.executable, "-m",
             "tools.classroom.one", str(self.out), "{}", "::::", str(self.out / TODO)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """It ends its jobs when it is told twice; then nothing of its group is left."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)


class Slurm(Engine):
    """A job array, at most `jobs` tasks at a time. OUT and this tree lie where every node sees
    them."""

    def start(self) -> None:
        require("sbatch")
        tasks = min(len(self.todo), MOST_TASKS)
        (self.out / "slurm").mkdir(exist_ok=True)  # or no task can begin
        done = subprocess.run(
            ["sbatch", "--parsable", f"--array=0-{tasks - 1}%{self.jobs}", f"--chdir={ROOT}",
             f"--output={self.out}/slurm/%a.log", str(SCRIPT), sys.executable, str(self.out),
             str(tasks)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Refusal(f"Slurm takes no job: {done.stderr.strip()}")
        self.job = re.split("[;\n]", done.stdout)[0]

    def running(self) -> bool:
        done = subprocess.run(["squeue", "--noheader", f"--jobs={self.job}", "--format=%i"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return bool(done.stdout.strip())

    def stop(self) -> None:
        subprocess.run(["scancel", self.job], stdin=subprocess.DEVNULL)


ENGINES: dict[str, type[Engine]] = {"parallel": Parallel, "slurm": Slurm}


def require(program: str) -> None:
    if not shutil.which(program):
        raise Refusal(f"{program} is not installed; {HELP}")
