"""The boxes, with the strongest attacker inside: rules and checks of the test's own stand for a
compiler, or a QEMU, that a submission has taken over. Where no box can be had, it is refused."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grade import box
from grade.build import ROOT, build, take_over
from grade.errors import BadSubmission, BuildFailed
from grade.options import Options
from grade.tests.core.course import Course
from grade.tests.core.test_intake import LAB1, THEFTS, taken
from grade.tests.core.test_pool import PATIENCE, SLEEP
from grade.tests.core.test_run import cannot, outcomes, tools_but, validate

needs_box = pytest.mark.skipif(bool(box.why_not()), reason=f"no box here: {box.why_not()}")
BOXED = {"SANDBOX": ""}

# What an attacker finds: a function, for rules and for checks.
LOOK = """
import glob, json, os, socket, subprocess, sys

def reaches(family, address):
    try:
        with socket.socket(family) as made:
            made.settimeout(2)
            made.connect(address)
        return True
    except OSError:
        return False

def writes(place):
    try:
        with open(f"{place}/mine", "w") as file:
            file.write("x")
        return True
    except OSError:
        return False

def fill(place):
    size = 0
    for number in range(64):
        try:
            descriptor = os.open(f"{place}/{number}", os.O_CREAT | os.O_WRONLY)
            os.posix_fallocate(descriptor, 0, 32 << 20)
        except OSError:
            return size
        size += 32
    return size

def forks():
    made = 0
    try:
        while made < 4000:
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", NONCE])
            made += 1
    except OSError:
        pass
    return made

def look():
    if os.fork() == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", NONCE])
    return {
        "seen": [path for path in SECRETS if os.path.lexists(path)],
        "reached": [str(address) for family, address in ADDRESSES if reaches(family, address)],
        "written": [place for place in ("/", "/usr", "/etc", "/dev", "/dev/shm", "/submission",
                                        "/rung", "/rung/grade", "/proc/sys/kernel", "/home",
                                        "/build", "/tmp") if writes(place)],
        "processes": len(glob.glob("/proc/[0-9]*")),
        "terminal": os.path.exists("/dev/tty") and writes("/dev/tty/.."),
        "environment": sorted(os.environ),
        "rights": [line for line in open("/proc/self/status") if line[:4] in ("Uid:", "CapE")],
        "filled": fill("/tmp"),
        "forks": forks(),
    }
"""


@pytest.fixture
def nonce() -> Iterator[str]:
    """What `sleep` is told by an attacker: afterwards nobody sleeps so any more."""
    word = f"{SLEEP}.{random.SystemRandom().randrange(10 ** 9):09}"
    yield word
    deadline = time.monotonic() + PATIENCE
    while sleepers(word) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not sleepers(word)


def sleepers(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == f"sleep\0{word}\0".encode():
                found.append(path.parent.name)
        except OSError:
            pass
    return found


@pytest.fixture
def attack(course: Course, nonce: str) -> Iterator[str]:
    """The attacker's code, which knows where to look; and somebody who listens."""
    secret = course.tree.parent / "fellow"
    secret.mkdir()
    (secret / "gdt.c").write_text("int solution;\n")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(f"\0rung-test-{nonce}")
        for each in (tcp, unix):
            each.listen(8)
        secrets = [str(path) for path in (
            secret / "gdt.c", ROOT / LAB1 / "gdt.c", ROOT / "grade/bugs/lab1-bss-forgotten.patch",
            ROOT / "grade/tests/__init__.py", Path.home(), course.out, "/etc/passwd", "/etc/shadow",
            "/etc/hostname", "/sys/kernel", "/rung/grade/bugs/lab1-bss-forgotten.patch",
            "/rung/grade/tests/__init__.py", "/rung/lab1-boot", "/run", "/var", "/home", "/root")]
        addresses = [(int(socket.AF_INET), tcp.getsockname()),
                     (int(socket.AF_UNIX), f"\0rung-test-{nonce}")]
        yield f"NONCE, SECRETS, ADDRESSES = {nonce!r}, {secrets!r}, {addresses!r}\n{LOOK}"


def is_harmless(found: dict[str, Any], *places: str) -> None:
    assert found["seen"] == [] and found["reached"] == []
    assert found["written"] == list(places)
    assert not set(found["environment"]) & {"USER", "SUDO_USER", "SSH_AUTH_SOCK", "MAIL"}
    uid, capabilities = sorted(found["rights"], reverse=True)
    assert "0" not in uid.split() and int(capabilities.split()[1], 16) == 0
    for name, most in (("processes", 40), ("filled", 512), ("forks", box.PROCESSES)):
        assert 0 < found[name] <= most, (name, found[name])


@needs_box
def test_what_a_build_can_do(course: Course, attack: str, nonce: str) -> None:
    (course.lab(1) / "attack.inc").write_text(
        attack + "for name, what in look().items():\n"
        "    print(f'a.c:1:1: error: {name}={json.dumps(what)}', file=sys.stderr)\n")
    course.rules.write_text("kernel probe:\n\t@python3 /submission/lab1-fake/attack.inc; false\n")
    run = course.grade("--lab", "1", **BOXED)
    assert run.status == 1, run.text
    validate(run)
    errors = run.json["labs"][0]["build"]["errors"]
    said = [line.split(": error: ")[1].split("=", 1) for line in errors if ": error: " in line]
    is_harmless({name: json.loads(what) for name, what in said}, "/build", "/tmp")
    assert str(course.tree) not in (run.out / "results.json").read_text()


@needs_box
def test_what_a_check_can_do(course: Course, attack: str, nonce: str) -> None:
    (course.checks / "attack.py").write_text(attack)
    course.write_checks(1, """
        import json, sys
        sys.path.append("/checks")
        from attack import look
        expect(False, json.dumps(look()), "")
        """)
    run = course.grade("--lab", "1", **BOXED)
    assert run.status == 1, run.text
    validate(run)
    assert outcomes(run) == {"T1.1": "wrong", "T1.2": "passed"}
    is_harmless(json.loads(run.json["labs"][0]["checks"][0]["seen"]), "/tmp")


@needs_box
@pytest.mark.parametrize("made", ["ln -s /etc/passwd", "mkdir", "mkfifo", "ln -s kernel.elf"])
def test_what_is_no_file_is_no_kernel(course: Course, made: str) -> None:
    course.rules.write_text(f"kernel probe:\n\t@{made} $(BUILD)/$(@:probe=kernel-probe).elf\n")
    run = course.grade("--lab", "1", **BOXED)
    assert run.status == 1 and "make succeeded and made no kernel.elf" in run.text


def archive(*members: tuple[str, bytes, bytes]) -> bytes:
    """A tar of members: name, type, content."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as file:
        for name, kind, data in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(data), "/etc/passwd"
            file.addfile(member, io.BytesIO(data))
    return made.getvalue()


GOOD = ("kernel.elf", tarfile.REGTYPE, b"\x7fELF rubbish")


@pytest.mark.parametrize("stream, taken", [
    (archive(GOOD, ("user/a-1.elf", b"0", b"x")), ["kernel.elf", "user/a-1.elf"]),
    (archive(("../x", b"0", b"x"), ("/tmp/x", b"0", b"x"), ("user/../x.elf", b"0", b"x"), GOOD),
     ["kernel.elf"]),
    (archive(("kernel.elf", tarfile.SYMTYPE, b""), ("user", tarfile.SYMTYPE, b""),
             ("kernel-probe.elf", tarfile.CHRTYPE, b""), ("reads", tarfile.DIRTYPE, b"")), []),
    (archive(GOOD)[:516], ["kernel.elf"]),
    (archive(GOOD).replace(b"00000000014\0", b"\xff" * 12), []),  # of a size below zero
    (archive(GOOD).replace(b"00000000014\0", b"77777777777\0"), []),
    (b"", []), (b"\0" * 4096, []), (random.Random(1).randbytes(4096), []),
])
def test_what_is_taken_over(tmp_path: Path, stream: bytes, taken: list[str]) -> None:
    place = tmp_path / "a/b"
    place.mkdir(parents=True)
    (place / "kernel.elf").write_text("of an earlier run")
    take_over(io.BytesIO(repaired(stream)), place)
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*")
                  if path.name != "user") == taken
    assert os.listdir(tmp_path) == ["a"] and os.listdir(tmp_path / "a") == ["b"]


def repaired(stream: bytes) -> bytes:
    """The sum of the first header as it must be, or it would not be read at all."""
    if not stream.startswith(b"kernel.elf"):
        return stream
    total = sum(stream[:148]) + 8 * 32 + sum(stream[156:512])
    return stream[:148] + f"{total:06o}\0 ".encode() + stream[156:]


@needs_box
@pytest.mark.parametrize("line", [
    "no JSON", "[" * 5_000, '{"ended": {}}', '{"begins": "T9.9"}', '{"done": "passed"}',
    '{"ended": {"id": "T1.2", "outcome": "perfect", "seconds": 0}}',
    '{"ended": {"id": "T1.2", "outcome": "passed", "seconds": NaN}}',
    '{"ended": {"id": ["T1.2"], "outcome": "passed", "seconds": 1, "seen": "", "expected": "",'
    ' "hint": "", "details": []}}',
    '{"ended": {"id": "T1.2", "outcome": "passed", "seconds": 1, "seen": "", "expected": "",'
    ' "hint": "", "details": []}}', "too long",
])
def test_what_a_check_says_in_the_grader_s_place(course: Course, line: str) -> None:
    (course.checks / "line").write_text(("x" * (9 << 20) if line == "too long" else line) + "\n")
    course.write_checks(1, """
        import gc
        gc.unfreeze()
        [wire] = [each for each in gc.get_objects() if type(each).__name__ == "Wire"]
        with open("/checks/line") as file:
            wire.file.write(file.read())
        wire.file.flush()
        """, "expect(False, 'this', 'that')")
    run = course.grade("--lab", "1", "--jobs", "1", **BOXED)
    assert run.status == 2 and "gave no result" in run.text
    assert sorted(os.listdir(run.out)) == [".lock", "from"]


@needs_box
def test_results_are_the_same_with_and_without_a_box(course: Course) -> None:
    for number in (1, 2):
        course.write_checks(number, "expect(False, str(lab.rng.getrandbits(64)), 'ü\\udc80\\0')",
                            "raise Failure(Outcome.PANIC, 'x', details=['a', 'b'])")
    shutil.rmtree(course.lab(2))
    found = []
    for sandbox in ("", "none"):
        run = course.grade("--seed", "7", SANDBOX=sandbox)
        assert run.status == 1, run.text
        validate(run)
        assert ("sandbox: none" in run.text) == bool(sandbox)
        assert ("sandbox: none" in (run.out / "gradescope.json").read_text()) == bool(sandbox)
        assert run.json["sandbox"] == (sandbox or "bubblewrap")
        found.append({**run.json, "sandbox": ""})
    assert without_times(found[0]) == without_times(found[1])


def without_times(data: object) -> object:
    if isinstance(data, dict):
        return {name: without_times(each) for name, each in data.items() if name != "seconds"}
    return [without_times(each) for each in data] if isinstance(data, list) else data


@needs_box
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_boxes_end_with_the_grader(course: Course, nonce: str, number: int) -> None:
    course.write_checks(1, f"__import__('subprocess').run(['sleep', {nonce!r}])")
    process = subprocess.Popen(course.command("--lab", "1"), cwd=ROOT, stdout=subprocess.DEVNULL,
                               env=course.environment(BOXED), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not sleepers(nonce) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleepers(nonce)
    process.send_signal(number)
    assert process.wait(PATIENCE) in (-signal.SIGKILL, 130)


@needs_box
@pytest.mark.parametrize("line", [
    "ulimit -S -t 1; while :; do :; done", "exec tail -c 300000000 /dev/zero >$(BUILD)/kernel.elf",
    "for i in 1 2 3; do tail -c 250000000 /dev/zero >$(BUILD)/$$i || exit; done",
])
def test_a_build_that_takes_too_much_is_the_student_s(course: Course, line: str) -> None:
    course.rules.write_text(f"kernel probe:\n\t@{line}\n")
    run = course.grade("--lab", "1", **BOXED)
    assert run.status == 1 and set(outcomes(run).values()) == {"build error"}, run.text


@needs_box
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_nothing_outside_is_read(tmp_path: Path, cc: str) -> None:
    """What is not in the box is not there; what is there and is not the submission's is named."""
    lab = tmp_path / "handed in" / LAB1
    lab.mkdir(parents=True)
    for path in (ROOT / LAB1).iterdir():
        if path.suffix in (".c", ".h", ".asm"):
            (lab / path.name).write_bytes(path.read_bytes())
    for name, line in THEFTS.items():
        (lab / name).write_text(line + "\n")
        (lab / "ours.c").write_text('#include "h.h"\n')
        with pytest.raises(BuildFailed) as failed:
            boxed_build(tmp_path, cc)
        assert any(words in str(failed.value) for words in (
            "No such file", "nable to open", "not found")), (name, failed.value)
        (lab / name).unlink()
    (lab / "ours.c").write_text('__asm__(".incbin \\"/proc/self/mountinfo\\"");\n')
    (lab / "a.asm").write_text('incbin "/proc/version"\n%include "/usr/share/misc/magic"\n')
    with pytest.raises(BadSubmission, match="ours.c reads /proc/self/mountinfo, which is no part"):
        boxed_build(tmp_path, cc)


def boxed_build(tmp_path: Path, cc: str) -> None:
    got = taken(tmp_path / "handed in", (1,))
    try:
        build(got.labs[1], got.build_dir(1), cc, "-O0", common=got.common, boxed=True)
    finally:
        os.close(got.lock)


# ---- Where no box can be had.

@pytest.mark.parametrize("said, told", [
    ("Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded "
     "(ENOSPC)", "sysctl user.max_user_namespaces=10000"),
    ("No permissions to create new namespace, likely because the kernel does not allow "
     "non-privileged user namespaces.", "seccomp=unconfined"),
    ("Creating new namespace failed: Operation not permitted", "--cap-add SYS_ADMIN"),
    ("Can't mount proc on /newroot/proc: Operation not permitted", "systempaths=unconfined"),
    ("setting up uid map: Permission denied", "AppArmor"),
    ("loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor"),
    ("cannot open /proc/sys/user/max_user_namespaces: Read-only file system",
     "max_user_namespaces"),
    ("something new", "`bwrap: something new`"),
])
def test_no_box_no_grading(course: Course, tmp_path: Path, said: str, told: str) -> None:
    """Refused in words, which say how to allow it; before anything of the tree is built."""
    program = tmp_path / "bin/bwrap"
    program.parent.mkdir()
    program.write_text(textwrap.dedent(f"""\
        #!/bin/sh
        [ "$1" = --version ] && exec echo bubblewrap 0.8.0
        echo "bwrap: {said}" >&2
        exit 1
        """))
    program.chmod(0o755)
    course.rules.write_text(f"kernel probe:\n\t@touch {tmp_path}/built\n")
    run = course.grade("--lab", "1", PATH=f"{program.parent}:{os.environ['PATH']}", **BOXED)
    cannot(run, told)
    assert said in run.text and "SANDBOX=none" in run.text
    assert not (tmp_path / "built").exists()


def test_bubblewrap_is_missing(course: Course, tmp_path: Path) -> None:
    run = course.grade("--lab", "1", PATH=str(tools_but(tmp_path)), **BOXED)
    cannot(run, "bwrap is not installed; `make setup` installs it")


def test_another_word_than_none(course: Course) -> None:
    cannot(course.grade("--lab", "1", SANDBOX="maybe"), "SANDBOX=maybe means nothing")


def test_one_s_own_tree_needs_no_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX", raising=False)
    monkeypatch.delenv("FROM", raising=False)

    def found(**given: str) -> tuple[bool, str | None]:
        options = Options.from_environment(given)
        return options.boxed, options.request.sandbox

    assert found() == found(**{"from": str(ROOT)}) == (False, None)
    assert found(**{"from": str(tmp_path)}) == (True, "bubblewrap")
    assert found(**{"from": str(tmp_path), "sandbox": "none"}) == (False, "none")


def test_checks_without_make_have_no_box(course: Course) -> None:
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           "grade/test_lab1_boot.py", "-k", "bss"], cwd=ROOT, text=True,
                          env={**course.environment(BOXED), "FROM": str(course.tree)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 1 and "pytest has no box" in done.stdout
