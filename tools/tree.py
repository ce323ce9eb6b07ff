"""Rung's tree as the tools see it: its labs, its files, an exercise's lab."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tools.command import Refusal

ROOT = Path(__file__).resolve().parent.parent
LOST_LINK = re.compile(rb"\.\./lab[1-9]-[^/\n]+/[^/\n]+\n?")
SOURCES = {".c": "c", ".h": "c", ".asm": "nasm", ".inc": "nasm"}


def labs(root: Path) -> dict[int, Path]:
    """The directories labN-name, by number."""
    found: dict[int, Path] = {}
    for path in sorted(root.glob("lab[1-9]-*")):
        if path.is_dir():
            other = found.setdefault(int(path.name[3]), path)
            if other != path:
                raise Refusal(f"{root} has more than one lab {path.name[3]}: {other.name} and "
                              f"{path.name}. Move one of them out of it")
    return found


def lab_directory(root: Path, number: int) -> Path:
    found = labs(root)
    if number not in found:
        raise Refusal(f"{root} has no lab {number}; it has "
                      + ", ".join(path.name for path in found.values()))
    return found[number]


def refuse_lost_links(root: Path) -> None:
    """In a ZIP, or through git for Windows, symlinks become files that hold a path."""
    lost = [path for path in sorted(root.glob("lab[1-9]-*/*"))
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 512
            and LOST_LINK.fullmatch(path.read_bytes())]
    if lost:
        raise Refusal(f"{lost[0]} is text here and a symlink in a good tree (one of {len(lost)}); "
                      "get the tree with git clone, or unpack it with something that keeps "
                      "symlinks, as unzip and tar do")


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
