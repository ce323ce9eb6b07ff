"""The box in which everything runs that a stranger's tree sets in motion: bubblewrap's.

It has a /usr and what it is shown, read-only; a /tmp and directories of its own, in memory and
bounded; no network, no home, no other process, and an end with the process that started it. What
goes on in there can be told only through the streams that the box was given.

An ordinary user gets the box by a user namespace. Root needs none, and would stay root of the
machine in it (whom /proc/sys obeys): so its rights end with the box's first program, setpriv."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from grade import toolchain
from grade.errors import CannotGrade

PROGRAM = "bwrap"
PATH = "/usr/local/bin:/usr/bin:/bin"
NOBODY = "65534"
MEMORY = 512 << 20  # bytes, of each directory in memory
PROCESSES = 512  # threads count too; of all boxes that root starts at one time
TOP = ("/bin", "/sbin", "/lib", "/lib32", "/libx32", "/lib64")
TOLD = ("/etc/alternatives", "/etc/ld.so.cache")  # awk and cc lead through the first
TRIAL = 60  # seconds

FOR_USERS = ("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL")
FOR_ROOT = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
            "--unshare-cgroup-try", "--cap-drop", "ALL", "--cap-add", "CAP_SETUID",
            "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP")
TO_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             "--inh-caps=-all", "--bounding-set=-all")

# What bubblewrap says where it may not make a box, and what whoever rules the machine can do.
REMEDIES = (
    (r"RTM_NEWADDR|uid map: Permission denied",
     "AppArmor allows programs no user namespaces here (Ubuntu does that since 23.10). A file "
     "/etc/apparmor.d/bwrap with the line `abi <abi/4.0>, include <tunables/global> profile bwrap "
     "/usr/bin/bwrap flags=(unconfined) { userns, }` lets this one: then `systemctl reload "
     "apparmor`"),
    (r"ENOSPC|No space left|max_user_namespaces",
     "this system allows no user namespaces: `sysctl user.max_user_namespaces=10000` does"),
    (r"Can't mount proc",
     "this container hides parts of /proc: Docker shows them with --security-opt "
     "systempaths=unconfined"),
    (r"[Nn]amespace|[Pp]ermission|Operation not permitted",
     "this system, or the container that this is, allows no user namespaces. `sysctl "
     "kernel.unprivileged_userns_clone=1` does on an old Debian; Docker does with --security-opt "
     "seccomp=unconfined, and for root with --cap-add SYS_ADMIN besides"),
)


def command(words: Sequence[str], shown: Mapping[str, Path], own: Sequence[str] = (), *,
            environment: Mapping[str, str], start: str = "/") -> list[str]:
    """The words that run a program in a box, begun in the directory `start`. `shown` says what is
    seen in there, read-only, by its place; `own` are directories that are empty and can be
    written, beside /tmp. Root's files must be readable by all (see readable)."""
    root = os.geteuid() == 0
    line = [PROGRAM, *(FOR_ROOT if root else FOR_USERS), "--die-with-parent", "--new-session",
            "--hostname", "rung", "--clearenv", "--setenv", "PATH", PATH]
    for name, value in environment.items():
        line += ["--setenv", name, value]
    line += ["--ro-bind", "/usr", "/usr"]
    for top in filter(os.path.exists, TOP):
        line += ["--symlink", os.readlink(top), top] if os.path.islink(top) \
            else ["--ro-bind", top, top]
    line += ["--perms", "0755", "--dir", "/etc"]
    for place in TOLD:
        line += ["--ro-bind-try", place, place]
    line += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    line += in_memory("/tmp")
    for place, path in shown.items():
        for parent in reversed(Path(place).parents[:-1]):
            line += ["--perms", "0755", "--dir", str(parent)]
        line += ["--ro-bind", str(path), place]
    for place in own:
        line += in_memory(place)
    return [*line, "--remount-ro", "/", "--chdir", start, *(TO_NOBODY if root else ()),
            "prlimit", f"--nproc={PROCESSES}", *words]


def in_memory(place: str) -> list[str]:
    return ["--perms", "1777", "--size", str(MEMORY), "--tmpfs", place]


def require(tools: Sequence[str] = ()) -> None:
    """Refuse to go on where no box can be had, or where it would lack a tool that is here."""
    for tool in tools:
        if shutil.which(tool) and not shutil.which(tool, path=PATH):
            raise CannotGrade("another's tree is built and run in a box, which has the machine's "
                              f"/usr and no more, and {tool} is elsewhere ({shutil.which(tool)})")
    fault = why_not()
    if fault:
        raise CannotGrade(f"another's tree is built and run in a box, by bubblewrap, and here is "
                          f"none: {fault}. (SANDBOX=none does without, for machines that are "
                          "thrown away afterwards: whatever the tree contains could do there what "
                          "you can)")


@functools.lru_cache(maxsize=None)
def why_not() -> str:
    """"", or why no box can be had on this machine and what to do about it."""
    fault = toolchain.version_fault("bubblewrap", PROGRAM)
    if fault:
        return fault
    for tool in ("prlimit", "setpriv"):
        if not shutil.which(tool, path=PATH):
            return f"{tool} is not installed: it comes with util-linux"
    done = subprocess.run(command(["true"], {}, environment={}), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=TRIAL)
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    remedy = next((words for pattern, words in REMEDIES if re.search(pattern, said)), "")
    return f"`{said}`" + (f"; {remedy}" if remedy else "")


def open_up(directory: Path) -> None:
    """Let everybody read what lies in a directory of ours: root's boxes are nobody's."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def require_readable(path: Path) -> None:
    """The same of what is not ours to change."""
    if os.geteuid() == 0 and not path.stat().st_mode & 0o004:
        raise CannotGrade(f"root grades another's tree with the rights of nobody, who cannot read "
                          f"{path}: `chmod -R a+rX` can, or grade as an ordinary user")
