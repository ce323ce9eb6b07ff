"""The intake: a tree is looked at before anything is run on it, and another's is copied.

Names come first: make, the shell, and the compiler's lists of dependencies take some characters
for their own. Then what kind of file it is, and whether it is text. Of another's tree (FROM=) only
the sources of its labs are taken in. They get a fresh directory whose name is their content,
together with the grader's own common/ and probes: so nothing is built on top of what another left,
and a way that leads up and out of a lab leads to no solution."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grade.box import open_up
from grade.errors import BadSubmission, printable
from grade.tree import LAB, LINK, ROOT, lab_names, too_many, was_link

COMMON = ROOT / "common"
GIVEN = ("common", "grade/probes")

SUFFIXES = (".c", ".h", ".asm", ".inc")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.(?:c|h|asm|inc)")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")

LARGEST = 256 << 10  # bytes of a source
MOST = 500  # sources of a lab
ENTRIES = 10_000  # names in a directory that are looked at
KEPT = 4  # trees of earlier runs that stay, for the next look at one of them


@dataclass(frozen=True)
class Submission:
    """The labs to grade, ready for make: where they lie, and the rules they are built by."""

    tree: Path
    labs: Mapping[int, Path]
    common: Path = COMMON
    lock: int = -1  # held as long as we live: nobody else tidies this tree away
    products: Path | None = None  # where they are built, if not in the tree

    @property
    def foreign(self) -> bool:
        return self.common != COMMON

    def build_dir(self, number: int) -> Path:
        """Where a lab's kernels are built."""
        return (self.products or self.tree / "build") / self.labs[number].name


@dataclass
class Look:
    """What a look at a tree found: the sources of its labs by path (a link: the text of where it
    leads), the labs by number, and what is wrong with it, a sentence each."""

    tree: Path
    files: dict[str, bytes | str] = field(default_factory=dict)
    labs: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    once_links: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    def problem(self, path: str, words: str) -> None:
        self.problems.append(f"{printable(path)} {words}")


def own(tree: Path, numbers: Sequence[int]) -> Submission:
    """The tree that this grader is part of: it is built where it lies."""
    look = look_at(tree, numbers)
    return Submission(tree, {number: tree / name for number, name in look.labs.items()})


def foreign(tree: Path, numbers: Sequence[int], home: Path) -> Submission:
    """Another's tree: its sources are copied to a directory of their own in `home`."""
    look = look_at(tree, numbers)
    fresh, lock = take_in(look, home)
    labs = {number: fresh / name for number, name in look.labs.items()}
    return Submission(fresh, labs, fresh / "common", lock)


# ---- The look.

def look_at(tree: Path, numbers: Sequence[int]) -> Look:
    """Look at these labs of a tree, and at those that their links lead to. Raises BadSubmission."""
    look = Look(tree)
    names = entries(tree)
    for number in numbers:
        name = find_lab(look, names, number)
        if name and look_at_lab(look, name):
            look.labs[number] = name
    if look.once_links:
        ask_for_links(look)
    if not look.problems:
        find_ends(look)
    if look.problems:
        raise BadSubmission(look.problems)
    if not look.labs and not any(map(LAB.fullmatch, names)):
        raise BadSubmission([where_the_labs_may_be(tree, names)])
    return look


def entries(directory: Path) -> list[str]:
    """The names in a directory, in order."""
    names: list[str] = []
    try:
        with os.scandir(directory) as found:
            for entry in found:
                names.append(entry.name)
                if len(names) > ENTRIES:
                    raise BadSubmission([f"{printable(str(directory))} holds more than {ENTRIES} "
                                         "files"])
    except OSError as error:
        raise BadSubmission([f"{printable(str(directory))} cannot be read: "
                             f"{error.strerror}"]) from None
    return sorted(names)


def find_lab(look: Look, names: Sequence[str], number: int) -> str:
    """The directory of a lab, or "" if it was not handed in."""
    found = lab_names(look.tree, names, number)
    if len(found) > 1:
        look.problems.append(too_many(look.tree, number, found))
        return ""
    if found and not LAB.fullmatch(found[0]):
        look.problem(found[0], "is not a name that the tools can work with: letters, digits, _ . "
                               "and - can stand in it")
        return ""
    if found and (look.tree / found[0]).is_symlink():
        look.problem(found[0], "is a link, and must be a directory")
        return ""
    if not found:
        near = [name for name in names
                if re.match(rf"lab[ _-]?{number}(?![0-9])", name, re.IGNORECASE)
                and ((look.tree / name).is_dir() or name.lower().endswith(ARCHIVES))]
        for name in near[:1]:
            look.problem(name, f"looks like lab {number}, whose directory has a name of the form "
                               f"lab{number}-name; " + (
                                   "unpack it first" if name.lower().endswith(ARCHIVES)
                                   else "rename it"))
    return found[0] if found else ""


def look_at_lab(look: Look, lab: str) -> bool:
    """Look at every source of a lab, once; whether there is any."""
    if lab not in look.seen:
        names = [name for name in entries(look.tree / lab) if not name.startswith(".")]
        sources = [name for name in names if name.endswith(SUFFIXES)]
        look.seen[lab] = len(sources)
        if len(sources) > MOST:
            look.problem(lab, f"holds more than {MOST} sources")
            return True
        for name in sources:
            look_at_source(look, lab, name)
        for name in names:
            if name not in ("build", *sources) and holds_sources(look.tree / lab / name):
                look.problem(f"{lab}/{name}", "is a directory with sources; those of a lab lie in "
                                              "the lab's directory itself")
    return look.seen[lab] > 0


def holds_sources(directory: Path) -> bool:
    """Whether this is a directory, no link, and a source lies in it."""
    if directory.is_symlink() or not directory.is_dir():
        return False
    return any(name.endswith(SUFFIXES) and not name.startswith(".") for name in entries(directory))


def look_at_source(look: Look, lab: str, name: str) -> None:
    """Take a source in, or say why not."""
    path = f"{lab}/{name}"
    if not NAME.fullmatch(name):
        look.problem(path, "is not a name that the tools can work with: letters, digits, _ . and - "
                           "can stand in it, and it begins with a letter, a digit or _")
        return
    try:
        mode = os.lstat(look.tree / path).st_mode
        if stat.S_ISLNK(mode):
            look_at_link(look, path, os.readlink(look.tree / path))
        elif not stat.S_ISREG(mode):
            look.problem(path, f"is a {kind(mode)}, and must be a file")
        else:
            look_at_text(look, path, read(look.tree / path))
    except OSError as error:
        look.problem(path, f"cannot be read: {error.strerror}")


def read(path: Path) -> bytes:
    """The bytes of a regular file, and one more than may be: whatever it has become by now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read(LARGEST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def kind(mode: int) -> str:
    for test, word in ((stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "pipe (FIFO)"),
                       (stat.S_ISSOCK, "socket")):
        if test(mode):
            return word
    return "device"


def look_at_link(look: Look, path: str, target: str) -> None:
    """A link may do what the reference's do: lead to the file of its name in an earlier lab."""
    found = LINK.fullmatch(target)
    if not found or found[3] != path.split("/")[1] or int(found[2]) >= int(path[3]):
        look.problem(path, f"is a link to {printable(target)}; a link in a lab can only lead to "
                           "the file of the same name in an earlier lab, as ../lab1-boot/gdt.c "
                           "does")
        return
    look.files[path] = target
    if (look.tree / found[1]).is_dir() and not (look.tree / found[1]).is_symlink():
        look_at_lab(look, found[1])


def look_at_text(look: Look, path: str, text: bytes) -> None:
    """A source is text that compilers and nasm can read."""
    if len(text) > LARGEST:
        look.problem(path, f"is larger than {LARGEST >> 10} KiB")
    elif text.startswith((b"\xff\xfe", b"\xfe\xff")):
        look.problem(path, "is written in UTF-16; save it as UTF-8")
    elif text.startswith(b"\xef\xbb\xbf") and path.endswith((".asm", ".inc")):
        look.problem(path, "begins with a byte order mark (BOM), which nasm cannot read; save it "
                           "as UTF-8 without BOM")
    elif b"\0" in text:
        look.problem(path, "holds bytes that are 0, so it is no text")
    elif was_link(path.split("/")[1], text):
        look.once_links.append(path)
    else:
        look.files[path] = text


def ask_for_links(look: Look) -> None:
    """One sentence for all of them."""
    first, count = look.once_links[0], len(look.once_links)
    which = f"{first} and {count - 1} more files were symlinks and are" if count > 1 else \
        f"{first} was a symlink and is"
    look.problems.append(f"{which} now text that says where the link led: a ZIP, or a system "
                         "without symlinks, did that. Pack the tree with tar, or unpack it with a "
                         "program that keeps symlinks")


def find_ends(look: Look) -> None:
    """Every link leads to a source that was taken in."""
    for path, target in look.files.items():
        if isinstance(target, str) and target[len("../"):] not in look.files:
            look.problem(path, f"is a link to {printable(target)}, which is not there")


def where_the_labs_may_be(tree: Path, names: Sequence[str]) -> str:
    """A tree without labs: perhaps they are one directory farther down, or not unpacked."""
    shown = printable(str(tree))
    for name in names[:100]:
        inside = tree / name
        if inside.is_dir() and not inside.is_symlink() and os.access(inside, os.R_OK) \
                and any(LAB.fullmatch(each) for each in entries(inside)):
            return f"{shown} holds no lab to grade, and its directory {printable(name)} does: " \
                   f"FROM={printable(str(inside))}"
    packed = [name for name in names if name.lower().endswith(ARCHIVES)]
    if packed:
        return f"{shown} holds no lab to grade, and {printable(packed[0])}: unpack it first"
    return f"{shown} holds no lab to grade (a directory lab1-… with sources in it)"


# ---- The copy.

def take_in(look: Look, home: Path) -> tuple[Path, int]:
    """The directory in `home` that holds just what was found, and what is given; and the lock that
    keeps it."""
    files = {**dict(given_files()), **look.files}
    fresh = home / content(files)
    home.mkdir(parents=True, exist_ok=True)
    while True:
        if not holds(fresh, files):
            shutil.rmtree(fresh, ignore_errors=True)
            write(home, fresh, files)
        lock = hold(fresh)
        if lock is not None:
            tidy(home, fresh)
            return fresh, lock


def given_files() -> Iterator[tuple[str, bytes | str]]:
    """What is the grader's own in every build: by path from the root."""
    for top in GIVEN:
        for directory, inside, names in os.walk(ROOT / top):
            inside[:] = [name for name in inside if name not in ("__pycache__", "build")]
            for name in names:
                path = Path(directory, name)
                yield path.relative_to(ROOT).as_posix(), path.read_bytes()


def content(files: Mapping[str, bytes | str]) -> str:
    """A name for files with just these names and contents."""
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        sort = "link" if isinstance(data, str) else "file"
        data = data.encode() if isinstance(data, str) else data
        digest.update(f"{sort} {path} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:32]


def write(home: Path, fresh: Path, files: Mapping[str, bytes | str]) -> None:
    """Make the directory under another name, and give it its own when it is whole."""
    new = Path(tempfile.mkdtemp(dir=home, prefix=".new-"))
    try:
        for path, data in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(data, str):
                (new / path).symlink_to(data)
            else:
                (new / path).write_bytes(data)
        (new / ".lock").touch()
        open_up(new)
        new.rename(fresh)
    except FileExistsError:  # somebody else took the same tree in
        pass
    except OSError as error:
        if not fresh.is_dir():
            raise error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def holds(fresh: Path, files: Mapping[str, bytes | str]) -> bool:
    """Whether the copy of an earlier run is there, and still what was taken in."""
    there = {path.relative_to(fresh).as_posix() for top in fresh.glob("*") if top.name != "build"
             for path in top.rglob("*") if path.is_symlink() or not path.is_dir()}
    try:
        return there == set(files) and all(
            data == (os.readlink(fresh / path) if isinstance(data, str)
                     else (fresh / path).read_bytes()) for path, data in files.items())
    except OSError:
        return False


def hold(fresh: Path) -> int | None:
    """Say that a tree is in use, for as long as this process lives. None: it has just gone."""
    try:
        lock = os.open(fresh / ".lock", os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)
    if os.fstat(lock).st_nlink:
        return lock
    os.close(lock)
    return None


def tidy(home: Path, fresh: Path) -> None:
    """Remove trees of earlier runs that nobody works in, but for the last few."""
    others = sorted((path for path in home.iterdir() if path != fresh and path.is_dir()),
                    key=lambda path: path.stat().st_mtime)
    for path in others[:-KEPT]:
        try:
            lock = os.open(path / ".lock", os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(lock)
