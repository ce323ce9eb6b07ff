"""Try Rung on other releases of Debian, from nothing: make platforms, as root.

For each release a root is made with debootstrap (or found, if there is one from last time: ROOTS=
is the directory of roots), the committed tree is cloned into it, and a newcomer's first commands
are typed there: on the bare system, after `make setup`, and at the end `make setup check`. Only
what installs runs as root, the rest as a plain user. A log is kept of each release, and a table is
printed; the same is in build/platforms/results.json.

All that runs in a root has mount and process namespaces of its own: whatever happens, mounts and
processes end with them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from grade.tree import ROOT


HERE = ROOT / "build/platforms"
RELEASES = ("bookworm", "trixie", "sid")
MIRROR = "http://deb.debian.org/debian"
USER = "rung"
TREE = f"/home/{USER}/rung"
BARE = "ca-certificates,git,make"  # what a newcomer has to have to come so far
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
VERSIONS = {"qemu-system-x86_64": "QEMU", "gcc": "gcc", "clang": "clang", "gdb": "gdb",
            "/usr/bin/python3": "Python", "pytest": "pytest", "nasm": "nasm",
            "grub-mkrescue": "GRUB"}

# In the namespaces. The shell stays: as their first process it buries orphans.
ENTER = """mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" &&
mount --rbind /sys "$1/sys" && mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm" || exit 125
root=$1; shift; chroot "$root" "$@"; exit $?"""


class CannotTry(Exception):
    """Something that a person must do first."""


@dataclass(frozen=True)
class Step:
    """What somebody types, and how it is to end."""

    command: str
    as_root: bool = False
    status: int | None = 0  # None: any
    says: str = ""
    bare: bool = False  # only in a new root, where nothing is installed yet


# The order is a newcomer's. What installs runs as root: there is no sudo in so small a system.
STEPS = (
    Step("make"),
    Step("make doctor", status=2, says="This installs what is missing: make setup", bare=True),
    Step("make grade LAB=1", status=2, says="make setup", bare=True),
    Step("make setup", status=2, says="As root, type:", bare=True),
    Step("make setup", as_root=True),
    Step("make doctor"),
    Step("make run LAB=1 </dev/null"),
    Step("make grade LAB=1", says="100/100"),
    Step("make grade", status=None),
    Step("sh tools/setup authors", as_root=True),
    Step("sh tools/doctor authors"),
    Step("make setup check", status=None),
)


@dataclass
class Platform:
    """What was seen on one release."""

    release: str
    versions: dict[str, str] = field(default_factory=dict)
    score: int | None = None
    most: int | None = None
    passed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0

    @property
    def good(self) -> bool:
        return (not self.wrong and not self.failures and self.failed == 0 < self.passed
                and self.score is not None and self.score == self.most)


class Root:
    """A system in a directory."""

    running: set[subprocess.Popen[str]] = set()  # in all roots

    def __init__(self, directory: Path, log: TextIO) -> None:
        self.directory, self.log = directory, log
        self.bare = not (directory / "etc/debian_version").exists()

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command in it. All that it starts ends with it."""
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation",
                 "private", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh",
                 str(self.directory), *command]
        said = []
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            assert process.stdout
            self.running.add(process)
            try:
                for line in process.stdout:
                    said.append(line)
                    self.log.write(line)
                    self.log.flush()
            finally:
                process.kill()
                self.running.discard(process)
        return process.returncode, "".join(said)

    def shell(self, command: str, as_root: bool = False) -> tuple[int, str]:
        """Type a line in the tree, as root or as the plain user."""
        who, home = (("root", "/root") if as_root else (USER, f"/home/{USER}"))
        enter = f"cd {TREE} && {{ {command}\n}}"
        return self.run("/usr/bin/env", "-i", f"PATH={PATH}", f"HOME={home}", f"USER={who}",
                        "LANG=C.UTF-8", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive",
                        *(f"{name}={os.environ[name]}" for name in ("http_proxy", "https_proxy")
                          if name in os.environ),
                        *([] if as_root else ["setpriv", f"--reuid={USER}", f"--regid={USER}",
                                              "--init-groups"]),
                        "sh", "-c", enter)


def prepared(release: str, roots: Path, mirror: str, log: TextIO) -> Root:
    """The release's root, made if there is none yet, with a user and the committed tree."""
    directory = roots / release
    root = Root(directory, log)
    if root.bare:
        directory.parent.mkdir(parents=True, exist_ok=True)
        making = directory.with_name(f"{release}.making")
        shutil.rmtree(making, ignore_errors=True)
        call(log, "unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap",
             "--variant=minbase", f"--include={BARE}", release, str(making), mirror,
             fault=f"debootstrap could not make {release}. Is there a network? Does {mirror} have "
                   "it? (MIRROR= names another)")
        making.rename(directory)
    shutil.copy("/etc/resolv.conf", directory / "etc/resolv.conf")
    if root.run("id", USER)[0]:
        root.run("useradd", "--create-home", USER)
    tree = directory / TREE[1:]
    shutil.rmtree(tree, ignore_errors=True)
    call(log, "git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(tree),
         fault="the tree could not be cloned")
    root.run("chown", "-R", f"{USER}:{USER}", TREE)
    # root's make looks into a tree that is the user's.
    root.run("git", "config", "--system", "--replace-all", "safe.directory", "*")
    return root


def call(log: TextIO, *command: str, fault: str) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log,
                              stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        raise CannotTry(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise CannotTry(f"{fault}. The log: {log.name}")


def attempt(release: str, roots: Path, mirror: str) -> Platform:
    """All steps on one release."""
    platform, began = Platform(release), time.monotonic()
    (HERE / "logs").mkdir(parents=True, exist_ok=True)
    with (HERE / "logs" / f"{release}.log").open("w") as log:
        try:
            root = prepared(release, roots, mirror, log)
            for step in STEPS:
                if root.bare or not step.bare:
                    take(step, root, platform)
        except CannotTry as error:
            platform.wrong.append(str(error))
    platform.seconds = time.monotonic() - began
    return platform


def take(step: Step, root: Root, platform: Platform) -> None:
    """One step, and what is to be learned of it."""
    began = time.monotonic()
    root.log.write(f"\n======== {step.command}{' (as root)' if step.as_root else ''}\n")
    print(f"{platform.release}: {step.command}", flush=True)
    status, said = root.shell(step.command, step.as_root)
    root.log.write(f"======== status {status}, {time.monotonic() - began:.0f} s\n")
    if step.status is not None and status != step.status:
        platform.wrong.append(f"`{step.command}` ends with {status}, not {step.status}")
    if step.says not in said:
        platform.wrong.append(f"`{step.command}` does not say: {step.says}")
    if "doctor" in step.command:
        platform.versions.update(versions(said))
    elif step.command == "make grade":
        with contextlib.suppress(OSError, ValueError):
            results = root.directory / TREE[1:] / "build/grade/results.json"
            found = json.loads(results.read_text())
            platform.score, platform.most = found["score"], found["maximum"]
    elif step.command == "make setup check":
        platform.passed, platform.failed = tests(said)
        platform.failures = re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.M)
        if status and not platform.failures:
            lint = re.findall(r"^lint: (.*)", said, re.M)
            platform.wrong.append(f"`make setup check` ends with {status} and no test failed"
                                  + (f"; lint's last was {lint[-1]}" if lint else ""))


def versions(said: str) -> dict[str, str]:
    """Of what the doctor says, the versions that the table has."""
    found = re.findall(r"^(?:ok|old) +(\S+) +(\S+)", said, re.M)
    return {VERSIONS[name]: version for name, version in found if name in VERSIONS}


def tests(said: str) -> tuple[int, int]:
    """How many passed, and how many did not: pytest's last line."""
    def count(word: str) -> int:
        found = re.findall(rf"\b(\d+) {word}s?\b(?=[^\n]* in [\d.]+s)", said)
        return int(found[-1]) if found else 0
    return count("passed"), count("failed") + count("error")


def table(platforms: Sequence[Platform]) -> str:
    """For the README: one row a release."""
    names = list(VERSIONS.values())
    rows = [["release", *names, "score", "passed", "failed", "seconds"]]
    rows += [[each.release, *(each.versions.get(name, "-") for name in names),
              "-" if each.score is None else f"{each.score}/{each.most}",
              str(each.passed), str(each.failed), f"{each.seconds:.0f}"] for each in platforms]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
             for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|",
                      *lines[1:]])


def refuse_what_cannot_be() -> None:
    """Say at once what would fail later, in the words of whoever has to do it."""
    if os.geteuid() != 0:
        raise CannotTry("this makes and enters other systems, which only root may: "
                        "sudo make platforms")
    for tool in ("debootstrap", "unshare", "setpriv", "git", "chroot"):
        if not shutil.which(tool):
            raise CannotTry(f"{tool} is not installed: make setup platforms")
    can = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True,
                         text=True)
    if can.returncode:
        raise CannotTry("this machine gives nobody namespaces, perhaps because it is a container "
                        f"without privileges: {can.stderr.strip()}")


def all_of(names: Sequence[str], roots: Path, mirror: str, together: int) -> Iterator[Platform]:
    """One after another, or several at a time; nothing goes on if we are interrupted."""
    with ThreadPoolExecutor(together) as pool:
        try:
            yield from pool.map(lambda name: attempt(name, roots, mirror), names)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(Root.running):
                process.kill()
            raise


def main() -> int:
    parser = argparse.ArgumentParser(prog="make platforms", description=__doc__)
    parser.add_argument("releases", nargs="*", help=f"default: {' '.join(RELEASES)}")
    names = parser.parse_args().releases or list(RELEASES)
    roots = Path(os.environ.get("ROOTS") or HERE).resolve()
    mirror = os.environ.get("MIRROR") or MIRROR
    try:
        refuse_what_cannot_be()
        together = int(os.environ.get("TOGETHER") or 1)
        platforms = list(all_of(names, roots, mirror, max(1, together)))
    except (CannotTry, ValueError) as error:
        print(f"make platforms: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    (HERE / "results.json").write_text(json.dumps(
        [{**vars(each), "good": each.good} for each in platforms], indent=2) + "\n")
    print()
    print(table(platforms))
    for each in platforms:
        for fault in [*each.wrong, *each.failures]:
            print(f"{each.release}: {fault}")
    print(f"Logs: {HERE / 'logs'}")
    return 0 if all(each.good for each in platforms) else 1


if __name__ == "__main__":
    sys.exit(main())
