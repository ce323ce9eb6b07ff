"""A lab's kernels, built by make as the student builds them, and whose fault it is if they are not.

A build is bounded: in processor time (not in wall time, which a busy machine stretches), in memory,
in the size of files and of what the compilers say. When a bound is met the whole process group
ends. What the machine lacks is never the student's fault.

A stranger's lab is built in a box (box.py), where nothing is that one could steal. Out of it comes
one stream, which is read when the box has ended: the kernels as so many bytes."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from grade import box, intake, toolchain
from grade.errors import BuildFailed, CannotGrade, MissingTool
from grade.reads import lists_of_reads, refuse_foreign

ROOT, COMMON = intake.ROOT, intake.COMMON
RULES = "RUNG_RULES"  # in the environment: other rules than lab.mk, for the grader's own tests
TOOLS = ("make", "nasm", toolchain.tool("ld"), "qemu-system-x86_64")
# What the rules of lab.mk and hostile/Makefile call. Only of these we say that they are missing.
CALLED = {*TOOLS, "sh", "cd", "awk", "sed", "cmp", "mkdir", "rm", "cp", "cat", "tr", "printf", "as",
          "flock", "gcc", "clang", "grub-mkrescue", "xorriso", "mformat",
          *map(toolchain.tool, ("gcc", "nm", "objcopy", "as"))}

# Options of lab.mk that an old compiler, or one for another processor, does not know.
NEEDED = ("-std=c11", "-mcmodel=kernel", "-mno-red-zone", "-mgeneral-regs-only",
          "-fcf-protection=none", "-ffile-prefix-map=a=b", "-fno-pic", "-fno-pie")

# A lab takes about 8 seconds of a processor.
CPU_LIMIT = 300  # seconds of processor time, of all processes together
PROCESS_CPU = 120  # and of one of them
STANDSTILL = 90.0  # seconds in which nothing of the build has used a processor
OUTPUT_LIMIT = 64 << 20  # bytes of messages, of which we keep the first and the last
KEPT = 1 << 20
MEMORY, FILE_SIZE = 4 << 30, 256 << 20
TICK, GRACE = 0.5, 3.0
PR_SET_PDEATHSIG = 1

ERROR = re.compile(r": ([Ff]atal )?[Ee]rror:|undefined reference|multiple definition|\bld: |"
                   r"Error [0-9]+$|^make.*\*\*\*")
FROM_MAKE = re.compile(r"^make(\[[0-9]+\])?: ")
# The shell's own words, which no compiler begins a line with, and make's.
NOT_FOUND = re.compile(r"^(?:/bin/)?(?:sh|dash|bash): (?:line )?\d+: ([\w.+-]+): "
                       r"(?:command )?not found$"
                       r"|^make(?:\[\d+\])?: ([\w.+-]+): No such file or directory$", re.M)
NOISE = re.compile(r"^make(\[[0-9]+\])?: (Entering|Leaving) directory")
QUOTED = re.compile(r"#\s*(error|warning|pragma)|%error|^\s*\d* \| ")
# Signals by which our bounds end a process, in the words of gcc and make.
MET = re.compile(r"CPU time limit exceeded|File size limit exceeded|File too large")
NO_SPACE = "No space left on device"
HOST = re.compile(rf"{NO_SPACE}|Disk quota exceeded|Read-only file system|"
                  r"Input/output error|Too many open files in system|Cannot allocate memory|"
                  r"Resource temporarily unavailable|Structure needs cleaning")
CRASH = re.compile(r"internal compiler error|Killed signal terminated program|"
                   r"[Uu]nable to execute command|cannot execute|error trying to exec|"
                   r"frontend command failed|error while loading shared libraries|"
                   r"(?:Segmentation fault|Illegal instruction|Bus error|Aborted|Killed)"
                   r"(?: \(core dumped\))?\s*$")
SHOWN_LINES, SHOWN_COLUMNS = 14, 400


@dataclass(frozen=True)
class Built:
    """The kernel that is graded, and the same with the grader's probe linked in. Beside them lie
    the programs of common/user, in user/."""

    kernel: Path
    probe: Path


def build(directory: Path, build_dir: Path, cc: str = "gcc", opt: str = "-O2",
          jobs: int | None = None, common: Path = COMMON, boxed: bool = False) -> Built:
    """Build both kernels of a lab. Raises BuildFailed for the student's fault, CannotGrade else.
    `common` is another than ours where a tree was taken in: then nothing outside may be read.
    `boxed`: only the products come to `build_dir`; where there can be no box it is refused."""
    require_tools(cc)
    if boxed:
        box.require()
    try_compiler(cc, opt)
    try:
        build_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise CannotGrade(f"{error.filename} is in the way: it must be a directory") from None
    if boxed:
        make_in_box(directory, build_dir, cc, opt, jobs)
    else:
        with locked(build_dir / ".lock"):
            make(directory, build_dir, cc, opt, jobs, common)
    built = built_in(build_dir)
    for product in (built.kernel, built.probe):
        if not product.is_file():
            raise BuildFailed([f"make succeeded and made no {product.name}"])
    return built


def built_in(build_dir: Path) -> Built:
    return Built(build_dir / "kernel.elf", build_dir / "kernel-probe.elf")


def require_tools(cc: str) -> None:
    """A machine that lacks a tool says nothing about the submission."""
    for tool in (*TOOLS, *compiler_words(cc)[:1]):
        if not shutil.which(tool):
            raise MissingTool(tool)
    fault = machine_fault(os.environ.get("PATH", ""))
    if fault:
        raise CannotGrade(fault)


@lru_cache(maxsize=None)
def machine_fault(path: str) -> str:
    """A QEMU that is too old is another machine: with one, a perfect kernel loses points. (Asked
    once for each PATH that it may be found on.)"""
    return toolchain.version_fault("qemu-system-x86_64")


def compiler_words(cc: str) -> list[str]:
    """CC= as words: it may be `gcc -m64` or `ccache gcc`."""
    odd = re.search(r"[^\w\s./+=,:@-]", cc)
    if odd or not cc.strip():
        raise CannotGrade(f"CC={cc} is no name of a compiler" + (f": {odd[0]}" if odd else ""))
    return toolchain.compiler(cc)


@lru_cache(maxsize=None)
def try_compiler(cc: str, opt: str) -> None:
    """Whoever asks for a compiler, or an option, that does not work is told so before anything
    of a student is compiled."""
    odd = re.search(r"[^\w\s./+=,:@-]", opt)
    if odd:
        raise CannotGrade(f"OPT={opt} holds {odd[0]}, which no option of a compiler needs")
    failed = compiles(cc, opt.split())
    if not failed:
        return
    if not compiles(cc, []):
        raise CannotGrade(f"OPT={opt}: {cc} does not know that, and says: {failed}")
    raise CannotGrade(f"CC={cc} cannot compile an empty file for x86-64, and says: {failed}")


def compiles(cc: str, options: list[str]) -> str:
    """"", or the first words of why not."""
    with tempfile.TemporaryDirectory(prefix="rung-") as directory:
        source, made = Path(directory, "empty.c"), Path(directory, "empty.o")
        source.write_text("int empty;\n")
        command = [*compiler_words(cc), *NEEDED, *options, "-c", str(source), "-o", str(made)]
        if toolchain.cross() and "clang" in cc:
            command.append("--target=x86_64-linux-gnu")
        try:
            done = subprocess.run(command, env=clean_environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=STANDSTILL)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        said = first_errors(done.stdout)[0].replace(f"{directory}/", "")
        return "" if done.returncode == 0 and made.is_file() else said


def make(directory: Path, build_dir: Path, cc: str, opt: str, jobs: int | None,
         common: Path) -> None:
    """Run make in the lab's directory, quietly, with nothing inherited from a make around us. The
    rules, and all that labs are given, are the grader's own: a submission cannot bring others."""
    taken_in = common != COMMON
    rules = os.environ.get(RULES) or str(common / "lab.mk")
    words = make_words(directory, rules, build_dir.resolve(), cc, opt, jobs, taken_in)
    status, output = supervised(["make", *words])
    if taken_in:
        lists = b"".join(path.read_bytes() for path in lists_of_reads(build_dir))
        refuse_foreign(lists, output, status, common.parent, [common.parent, *system_headers(cc)])
    if status != 0:
        explain_failure(output)


def make_words(directory: Path, rules: str, build_dir: Path, cc: str, opt: str,
               jobs: int | None, taken_in: bool) -> list[str]:
    """What make is told."""
    reads = [f"READS={list_of_reads(cc)}"] if taken_in else []
    return ["-C", str(directory), "-f", rules, f"-j{jobs or os.cpu_count() or 1}", "-Otarget",
            f"BUILD={build_dir}", f"CC={cc}", f"OPT={opt}", *reads, "kernel", "probe"]


# ---- In the box.
TREE, MADE = Path("/submission"), Path("/build")
IN_BOX = """make "$@" >&2
status=$?
cd /build || exit
find obj -name '*.d' -exec cat {} + -o -name '*.read' -exec cat {} + >reads 2>/dev/null
tar -cf - reads kernel.elf kernel-probe.elf user/*.elf 2>/dev/null
exit $status
"""
PRODUCT = re.compile(r"reads|kernel(-probe)?\.elf|user/[a-z0-9-]+\.elf")


def make_in_box(directory: Path, build_dir: Path, cc: str, opt: str, jobs: int | None) -> None:
    """Run make on a tree that was taken in. In the box are that tree, and compilers."""
    shown, rules = {str(TREE): directory.parent}, str(TREE / "common/lab.mk")
    if os.environ.get(RULES):
        rules = "/rules.mk"
        shown[rules] = Path(os.environ[RULES])
    words = make_words(TREE / directory.name, rules, MADE, cc, opt, jobs, True)
    environment = {"LC_ALL": "C", **{name: os.environ[name] for name in ("CROSS",)
                                     if name in os.environ}}
    command = box.command(["sh", "-c", IN_BOX, "sh", *words], shown, [str(MADE)],
                          environment=environment)
    with tempfile.TemporaryFile() as stream:
        status, output = supervised(command, stream)
        take_over(stream, build_dir)
    box.open_up(build_dir.parent)
    reads = build_dir / "reads"
    refuse_foreign(reads.read_bytes() if reads.exists() else b"", output, status, TREE,
                   [TREE, MADE, *system_headers(cc)])
    if status != 0:
        explain_failure(output, boxed=True)


def take_over(stream: IO[bytes], build_dir: Path) -> None:
    """Write down what a box has left, of which nothing is believed: of the files in it those that
    are products by their names, whatever their bytes are. It is a plain tar, or rubbish."""
    shutil.rmtree(build_dir)
    (build_dir / "user").mkdir(parents=True)
    stream.seek(0)
    with contextlib.suppress(tarfile.HeaderError):  # the end, too, is one
        while True:
            header = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "ascii", "replace")
            if not 0 <= header.size <= FILE_SIZE:
                return
            data = stream.read(header.size)
            stream.seek(-header.size % tarfile.BLOCKSIZE, os.SEEK_CUR)
            if header.isreg() and PRODUCT.fullmatch(header.name):
                (build_dir / header.name).write_bytes(data)


@lru_cache(maxsize=None)
def list_of_reads(cc: str) -> str:
    """How the assembler of a compiler is made to list what it reads: READS= of lab.mk."""
    for reads in ("1", "-fno-integrated-as"):
        if not compiles(cc, ["-Wa,--MD,/dev/null", *([reads] if reads != "1" else [])]):
            return reads
    raise CannotGrade(f"CC={cc} cannot say which files it reads, so no other's tree can be graded "
                      "with it")


@lru_cache(maxsize=None)
def system_headers(cc: str) -> tuple[Path, ...]:
    """Where a compiler's own headers lie."""
    done = subprocess.run([*compiler_words(cc), "-E", "-v", "-x", "c", os.devnull], text=True,
                          env=clean_environment(), stdin=subprocess.DEVNULL, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=STANDSTILL)
    listed = re.search(r"<\.\.\.> search starts here:\n(.*?)^End of", done.stdout, re.S | re.M)
    return tuple(Path(os.path.realpath(line.strip()))
                 for line in (listed[1].splitlines() if listed else []))


# ---- Bounds.

def supervised(command: list[str], product: IO[bytes] | None = None) -> tuple[int, str]:
    """Run a command within the bounds; its status, and what it said (with a file for what it
    writes on its output: what it said on stderr). However this ends, nothing of its process group
    is left."""
    try:
        process = subprocess.Popen(command, env=clean_environment(), stdin=subprocess.DEVNULL,
                                   stdout=product or subprocess.PIPE,
                                   stderr=subprocess.PIPE if product else subprocess.STDOUT,
                                   start_new_session=True, preexec_fn=be_bounded(os.getpid()))
    except OSError as error:
        raise CannotGrade(f"{command[0]} did not start: {error}") from None
    try:
        output = listen(process)
        # Its group goes first: as long as it is not waited for, its number is its own.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    finally:
        end_group(process)
    return process.returncode, output


def be_bounded(parent: int) -> Callable[[], None]:
    """What a process does before it becomes make: bounds, and an end with its parent's."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    bounds = ((resource.RLIMIT_CPU, PROCESS_CPU), (resource.RLIMIT_AS, MEMORY),
              (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0))

    def settle() -> None:
        for which, most in bounds:
            _, hard = resource.getrlimit(which)
            resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY
                                       else min(most, hard), hard))
        if prctl:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # make ends what it has started
            if os.getppid() != parent:
                os._exit(1)
    return settle


def listen(process: subprocess.Popen[bytes]) -> str:
    """What a build says, until it has nothing more to say or does more than it may."""
    said = process.stderr or process.stdout
    assert said
    first, last, size = bytearray(), bytearray(), 0
    pipe = said.fileno()
    clock = Clock(process.pid)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if selector.select(TICK):
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    break
                size += len(chunk)
                first += chunk[:KEPT - len(first)] if len(first) < KEPT else b""
                last = (last + chunk)[-KEPT:] if len(first) == KEPT else last
            if size > OUTPUT_LIMIT:
                raise BuildFailed([f"the compilers said more than {OUTPUT_LIMIT >> 20} MiB, of "
                                   "which these are the first lines:",
                                   *first_errors(first.decode(errors="replace"))])
            clock.look()
    middle = b"\n" if size > 2 * KEPT else b""
    overlap = max(0, len(first) + len(last) - size)
    return bytes(first + middle + last[overlap:]).decode(errors="replace")


class Clock:
    """The processor time of a process group, which is what bounds it."""

    def __init__(self, group: int) -> None:
        self.group, self.used = group, 0.0
        self.looked = self.moved = time.monotonic()

    def look(self) -> None:
        """Once a second: raise what a build that does not end deserves."""
        now = time.monotonic()
        if now - self.looked < 2 * TICK:
            return
        self.looked = now
        used = processor_time(self.group)
        if used > self.used:
            self.moved = now
        self.used = used
        if used > CPU_LIMIT:
            raise BuildFailed([f"the build was not done after {CPU_LIMIT} seconds of processor "
                               "time"])
        if now - self.moved > STANDSTILL:
            raise CannotGrade(f"the build stood still for {STANDSTILL:g} seconds, as if it read a "
                              "file that has no end: is a pipe or a device included?")


def processor_time(group: int) -> float:
    """The seconds that a group, those who descend from it, and all that has ended in it have used.
    (In a box there are other groups.)"""
    found: dict[int, list[int]] = {}  # parent, group, and the four times in ticks
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
                found[int(entry)] = [*map(int, fields[1:3]), *map(int, fields[11:15])]
    members = {pid for pid, facts in found.items() if facts[1] == group}
    grown = -1
    while grown != len(members):
        grown = len(members)
        members |= {pid for pid, facts in found.items() if facts[0] in members}
    return sum(sum(found[pid][2:]) for pid in members) / os.sysconf("SC_CLK_TCK")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is still there: make is asked first, so that it takes half a file away."""
    def done() -> bool:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    if not done():
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while not done() and time.monotonic() < deadline:
            time.sleep(TICK / 50)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One make at a time in a directory. The lock's file is never written, nor a link followed."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def clean_environment() -> dict[str, str]:
    """What programs need to be found and to find their files, and nothing else: make, the
    compilers, nasm and the loader all take orders from the environment. English, so that errors
    can be recognised."""
    needed = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "CROSS", "CCACHE_DIR", "XDG_CACHE_HOME")
    kept = {name: os.environ[name] for name in needed if name in os.environ}
    return {**kept, "LC_ALL": "C"}


# ---- Whose fault it is.

def explain_failure(output: str, boxed: bool = False) -> None:
    """Tell what the machine lacks from a program that is wrong. In a box the room is bounded."""
    for match in NOT_FOUND.finditer(output):
        tool = match[1] or match[2]
        if tool in CALLED and not shutil.which(tool, path=box.PATH if boxed else None):
            raise MissingTool(tool)
    for line in output.splitlines():
        if not QUOTED.search(line):
            if MET.search(line) or (boxed and NO_SPACE in line):
                raise BuildFailed(["the build met a bound: it takes more time or room than a lab "
                                   "can need", *first_errors(output)])
            if HOST.search(line):
                raise CannotGrade(f"the build met a fault of this machine: {line[:SHOWN_COLUMNS]}")
            if CRASH.search(line):
                raise CannotGrade("a tool of the build crashed, which says nothing about the "
                                  f"kernel: {line[:SHOWN_COLUMNS]}")
    for name, program in (("make", "make"), ("nasm", "nasm"), ("binutils", toolchain.tool("ld"))):
        fault = toolchain.version_fault(name, program)
        if fault:
            raise CannotGrade(fault)
    raise BuildFailed(first_errors(output))


def first_errors(output: str) -> list[str]:
    """The part of the output that a person would scroll back to."""
    lines = [line if len(line) <= SHOWN_COLUMNS else line[:SHOWN_COLUMNS] + "…"
             for line in output.splitlines() if line.strip() and not NOISE.match(line)]
    if not lines:
        return ["make failed and said nothing"]
    at = [number for number, line in enumerate(lines) if ERROR.search(line)]
    said = [number for number in at if not FROM_MAKE.match(lines[number])]
    start = (said or at or [max(0, len(lines) - SHOWN_LINES)])[0]
    shown = lines[start:start + SHOWN_LINES]
    rest = sum(number >= start + SHOWN_LINES for number in said)
    return shown + ([f"… and {rest} more errors"] if rest else [])
