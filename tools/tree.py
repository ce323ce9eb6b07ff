"""Rung's tree as the tools see it: its files, and an exercise's lab. (Its labs: grade/tree.py.)"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


SOURCES = {".c": "c", ".h": "c", ".asm": "nasm", ".inc": "nasm"}


def lab_of(path: Path) -> int | None:
    """The lab that a file of the tree belongs to by its name: lab2-paging/x.c,
    grade/test_lab2_paging.py."""
    found = re.search(r"(?:^|[/_])lab([1-9])[-_./]", path.as_posix())
    return int(found[1]) if found else None


def files(root: Path) -> list[Path]:
    """The tree's files and symlinks, relative to it: what git knows or would take, without what
    it ignores. In a tree without git: all but build/."""
    try:
        said = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], capture_output=True, check=True).stdout
        top = subprocess.run(["git", "-C", str(root), "rev-parse", "--show-cdup"],
                             capture_output=True, check=True).stdout.strip()
        known = said.decode().split("\0")[:-1] if not top else None
    except (OSError, subprocess.CalledProcessError):
        known = None
    if known is None:
        known = [path.relative_to(root).as_posix() for path in root.rglob("*")
                 if not path.is_dir() or path.is_symlink()]
        known = [name for name in known if name.split("/")[0] not in ("build", ".git")]
    return sorted(Path(name) for name in set(known) if is_file(root / name))


def is_file(path: Path) -> bool:
    """A file of the tree, or a symlink whatever it points to. Git also lists deleted files."""
    return path.is_symlink() or path.is_file()
