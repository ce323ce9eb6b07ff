"""A lab's kernels, built by make as the student builds them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grade import toolchain
from grade.errors import BuildFailed, CannotGrade, MissingTool

ROOT = Path(__file__).resolve().parent.parent
BUILD_LIMIT = 300
TOOLS = ("make", "nasm", toolchain.tool("ld"), "qemu-system-x86_64")

ERROR = re.compile(r": (fatal )?error:|undefined reference|multiple definition|\bld: |"
                   r"Error [0-9]+$|^make.*\*\*\*")
FROM_MAKE = re.compile(r"^make(\[[0-9]+\])?: ")
NOT_FOUND = re.compile(r"(?:^|: )([\w.+/-]+): (?:command )?not found"
                       r"|^make(?:\[\d+\])?: ([\w.+/-]+): No such file or directory$", re.M)
NOISE = re.compile(r"^make(\[[0-9]+\])?: (Entering|Leaving) directory")
SHOWN_LINES = 14


@dataclass(frozen=True)
class Built:
    """The kernel that is graded, and the same with the grader's probe linked in."""

    kernel: Path
    probe: Path
    directory: Path
    cc: str
    opt: str

    def iso(self) -> Path:
        """A disc with the kernel, for the few checks that boot through GRUB: made on demand."""
        with locked(self.kernel.parent / ".lock"):
            make(self.directory, self.kernel.parent, self.cc, self.opt, "iso")
        return self.kernel.parent / "rung.iso"


def build(directory: Path, build_dir: Path, cc: str = "gcc", opt: str = "-O2") -> Built:
    """Build both kernels of a lab. Raises BuildFailed for the student's fault, CannotGrade else."""
    require_tools(cc)
    build_dir.mkdir(parents=True, exist_ok=True)
    with locked(build_dir / ".lock"):
        make(directory, build_dir, cc, opt, "kernel", "probe")
    built = Built(build_dir / "kernel.elf", build_dir / "kernel-probe.elf", directory, cc, opt)
    for product in (built.kernel, built.probe):
        if not product.is_file():
            raise BuildFailed([f"make succeeded and made no {product.name}"])
    return built


def require_tools(cc: str) -> None:
    """A machine that lacks a tool says nothing about the submission."""
    for tool in (*TOOLS, *toolchain.compiler(cc)[:1]):
        if not shutil.which(tool):
            raise MissingTool(tool)


def make(directory: Path, build_dir: Path, cc: str, opt: str, *goals: str) -> None:
    """Run make in the lab's directory, quietly, with nothing inherited from a make around us. The
    rules, and all that labs are given, are the grader's own: a submission cannot bring others.
    RUNG_RULES names other rules, for the grader's own tests."""
    rules = os.environ.get("RUNG_RULES") or str(ROOT / "common" / "lab.mk")
    command = ["make", "-C", str(directory), "-f", rules,
               f"-j{os.cpu_count() or 1}", "-Otarget", f"BUILD={build_dir.resolve()}",
               f"CC={cc}", f"OPT={opt}", *goals]
    try:
        done = subprocess.run(command, env=clean_environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=BUILD_LIMIT)
    except subprocess.TimeoutExpired:
        raise BuildFailed([f"make did not end within {BUILD_LIMIT} seconds"]) from None
    except OSError as error:
        raise CannotGrade(f"make did not start: {error}") from None
    if done.returncode != 0:
        explain_failure(done.stdout)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One make at a time in a directory."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clean_environment() -> dict[str, str]:
    """The environment without what `make grade LAB=2` hands down: LAB would override every
    `LAB := n` of the Makefiles below. English, so that errors can be recognised."""
    dropped = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKEFILES",
               "LAB", "TEST", "SEED", "JOBS", "FROM", "CC", "OPT", "BUILD",
               "CMDLINE", "PROGRAM", "ARGS", "V")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "LC_ALL": "C"}


def explain_failure(output: str) -> None:
    """Tell a tool that is not there from a program that is wrong."""
    missing = NOT_FOUND.search(output)
    if missing:
        tool = next(name for name in missing.groups() if name)
        if "/" not in tool and not shutil.which(tool):
            raise MissingTool(tool)
    raise BuildFailed(first_errors(output))


def first_errors(output: str) -> list[str]:
    """The part of the output that a person would scroll back to."""
    lines = [line for line in output.splitlines() if line.strip() and not NOISE.match(line)]
    if not lines:
        return ["make failed and said nothing"]
    at = [number for number, line in enumerate(lines) if ERROR.search(line)]
    said = [number for number in at if not FROM_MAKE.match(lines[number])]
    start = (said or at or [max(0, len(lines) - SHOWN_LINES)])[0]
    shown = lines[start:start + SHOWN_LINES]
    rest = sum(number >= start + SHOWN_LINES for number in said)
    return shown + ([f"… and {rest} more errors"] if rest else [])
