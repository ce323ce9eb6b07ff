"""What lies in a directory of submissions, and each one's tree, however it is packed.

A stranger made these archives. Nothing of them is executed: what git is to read, it reads in a box.
Of an archive only what may be a lab's source is kept, and nothing lands outside the directory
that it is unpacked to: names are checked, files are made before links, and links by themselves."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Union, cast

from grade import box
from grade.errors import BadSubmission, printable
from grade.intake import ENTRIES, LARGEST, SUFFIXES, entries
from grade.tree import LAB

PACKED = re.compile(r"(.+?)\.(zip|tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz)", re.IGNORECASE)
OTHER = re.compile(r".+\.(7z|rar|gz|bz2|xz|zst|tzst)", re.IGNORECASE)
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}")
UNPACKED = 256 << 20  # bytes that are looked at in an archive
DEEPEST = 4  # directories around the labs, and archives around each other
GIT_LIMIT = 120  # seconds

Content = Union[bytes, str]  # of a file; where a link leads


@dataclass(frozen=True)
class HandedIn:
    """Who handed it in, under what name that is kept, and where it lies."""

    student: str
    label: str
    path: Path


def find(directory: Path) -> list[HandedIn]:
    """Everything in the directory that is no hidden file, a submission each."""
    paths = [directory / name for name in sorted(entries(directory)) if not name.startswith(".")]
    students = [student_of(path) for path in paths]
    found = []
    for path, student in zip(paths, students):
        if students.count(student) > 1:  # anna/ beside anna.zip
            student = path.name
        found.append(HandedIn(student, label(student), path))
    return found


def student_of(path: Path) -> str:
    packed = PACKED.fullmatch(path.name)
    name = packed[1] if packed and path.is_file() else path.name
    return name[:-len(".git")] if name.endswith(".git") and path.is_dir() else name


def label(student: str) -> str:
    """A name for files. What a shell, make or a browser would take for its own is not in it."""
    if PLAIN.fullmatch(student):
        return student
    digest = hashlib.sha256(student.encode(errors="surrogateescape")).hexdigest()[:8]
    words = re.sub("[^A-Za-z0-9.-]+", "_", student)[:60].strip("_.-")
    return f"{words or 'student'}-{digest}"


def tree_of(path: Path, place: Path) -> Path:
    """The directory that holds the labs of what was handed in; archives are unpacked to `place`,
    which is empty. Raises BadSubmission."""
    for depth in range(DEEPEST):
        if path.is_symlink() or not path.is_dir():
            path = unpack(path, place / str(depth))
        root = root_of(path)
        if root:
            return root
        if is_repository(path):
            path = unpack_repository(path, place / str(depth))
            continue
        packed = archives_in(path)
        if len(packed) != 1:
            return path  # the grader says what is wrong with it
        path = packed[0]
    raise BadSubmission([f"there are more than {DEEPEST} archives around each other"])


def root_of(top: Path) -> Path | None:
    """The directory with labs in it that is nearest to the top."""
    level = [top]
    for _ in range(DEEPEST):
        roots = [each for each in level if any(LAB.fullmatch(name) for name in entries(each))]
        if len(roots) > 1:
            raise BadSubmission(["there are labs in several directories: " + ", ".join(
                printable(root.relative_to(top).as_posix()) for root in roots[:4])])
        if roots:
            return roots[0]
        level = [each / name for each in level for name in entries(each)
                 if not name.startswith(".") and not (each / name).is_symlink()
                 and (each / name).is_dir()][:ENTRIES]
    return None


def archives_in(top: Path) -> list[Path]:
    """The archives in a directory, however deep."""
    found, count = [], 0
    for directory, _, names in os.walk(top):
        count += len(names) + 1
        if count > ENTRIES:
            break
        found += [Path(directory, name) for name in names if PACKED.fullmatch(name)]
    return found


# ---- Archives.

def unpack(path: Path, place: Path) -> Path:
    """Unpack an archive's sources. What else is in it stays where it is."""
    if path.is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
        raise BadSubmission([f"{printable(path.name)} is neither a directory nor an archive"])
    try:
        if zipfile.is_zipfile(path):
            write(dict(zip_members(path)), place)
        elif OTHER.fullmatch(path.name) and not PACKED.fullmatch(path.name):
            raise BadSubmission([f"{printable(path.name)} is packed by a program that is not known "
                                 "here: pack it as zip or tar.gz"])
        else:
            with open_tar(path) as file:
                write(dict(tar_members(file)), place)
    except (OSError, EOFError, ValueError, RuntimeError, OverflowError, zipfile.BadZipFile,
            tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise BadSubmission([f"{printable(path.name)} is a broken archive, or none: "
                             f"{printable(str(error))[:200]}"]) from None
    return place


class Bounded:
    """A stream that ends in an error where a bomb begins."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, UNPACKED

    def __enter__(self) -> Bounded:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"more than {UNPACKED >> 20} MiB come out of it")
        return data


def open_tar(path: Path) -> Bounded:
    """A tar file's stream, by whatever it is compressed."""
    file = path.open("rb")
    magic = file.read(6)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return Bounded(cast(IO[bytes], gzip.open(file)))
    if magic[:3] == b"BZh":
        return Bounded(cast(IO[bytes], bz2.open(file)))
    if magic == b"\xfd7zXZ\x00":
        return Bounded(cast(IO[bytes], lzma.open(file)))
    return Bounded(file)


def tar_members(file: Bounded) -> Iterator[tuple[str, Content]]:
    with tarfile.open(fileobj=cast(IO[bytes], file), mode="r|") as archive:
        for count, member in enumerate(archive):
            bound(count)
            if member.issym():
                yield member.name, member.linkname
            elif member.isreg() and may_be_source(member.name):
                data = archive.extractfile(member)
                assert data
                yield member.name, data.read(most(member.name))


def zip_members(path: Path) -> Iterator[tuple[str, Content]]:
    with zipfile.ZipFile(path) as archive:
        for count, member in enumerate(archive.infolist()):
            bound(count)
            if member.is_dir() or not may_be_source(member.filename):
                continue
            with archive.open(member) as file:
                data = file.read(most(member.filename))
            link = stat.S_ISLNK(member.external_attr >> 16)
            yield member.filename, data.decode(errors="surrogateescape") if link else data


def bound(count: int) -> None:
    if count > 10 * ENTRIES:
        raise ValueError(f"it holds more than {10 * ENTRIES} names")


def most(name: str) -> int:
    """How much of a file is kept: of a source enough to see that it is too large."""
    return LARGEST + 1 if name.endswith(SUFFIXES) else UNPACKED


def may_be_source(name: str) -> bool:
    """A source, or an archive within."""
    return name.endswith(SUFFIXES) or PACKED.fullmatch(PurePosixPath(name).name) is not None


def write(members: dict[str, Content], place: Path) -> None:
    """Write what may lie in a tree; files first, so that nothing is written through a link."""
    place.mkdir(parents=True)
    for name, content in sorted(members.items(), key=lambda item: isinstance(item[1], str)):
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            continue  # it is to land outside: nobody does that by mistake
        path = place.joinpath(*parts)
        if any(parent.is_symlink() for parent in path.parents if place in parent.parents):
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            continue  # two of one name: what came first stays


# ---- Repositories.

def is_repository(path: Path) -> bool:
    """A bare one, or one with files beside it that hold no labs."""
    return any((git / "HEAD").is_file() and (git / "objects").is_dir()
               for git in (path, path / ".git"))


def unpack_repository(path: Path, place: Path) -> Path:
    """The tree of its HEAD. Its configuration may name programs: git reads it in a box."""
    box.require(("git",))
    git = path / ".git" if (path / ".git").is_dir() else path
    place.parent.mkdir(parents=True, exist_ok=True)
    words = ["git", "-c", "safe.directory=*", "--git-dir=/repository", "archive", "--format=tar",
             "HEAD"]
    packed = place.with_suffix(".tar")
    try:
        with packed.open("wb") as file:
            done = subprocess.run(
                ["prlimit", f"--fsize={UNPACKED}", *box.command(
                    words, {"/repository": git}, environment={"HOME": "/nonexistent"})],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, timeout=GIT_LIMIT)
    except subprocess.TimeoutExpired:
        raise BadSubmission(["git reads this repository without end"]) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise BadSubmission([f"git cannot read this repository: {printable(said[-1])[:200]}"])
    return unpack(packed, place)
