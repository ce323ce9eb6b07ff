"""make class: small classes, packed in every way, graded by both engines; killed, and resumed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grade.box import why_not
from grade.errors import BadSubmission
from grade.tests import HANGING
from grade.tree import ROOT, lab_directory
from tools.classroom import feedback, likeness, plan, summary
from tools.classroom.handed_in import find, label, tree_of
from tools.starter import make_tree

LAB1 = lab_directory(ROOT, 1)
BROKEN = "/* } solution */ int"  # what no compiler takes

needs_a_box = pytest.mark.skipif(bool(why_not()), reason="there are no boxes here")


# ---- What is handed in.

def packed(path: Path, members: dict[str, bytes | str]) -> Path:
    """A tar file of files and links."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def files_of(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*.c"))


def test_whatever_it_is_packed_in_its_labs_are_found(tmp_path: Path) -> None:
    sources = {"lab1-boot/a.c": b"int a;", "lab1-boot/b.c": b"int b;"}
    wrapped = {f"Home Work/mine/{name}": data for name, data in sources.items()}
    packed(tmp_path / "plain.tar", dict(sources))
    packed(tmp_path / "wrapped.tgz", dict(wrapped))
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for name, data in wrapped.items():
            archive.writestr(name, data)
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.write(tmp_path / "plain.tar", "inside/it.tar")
    for name, data in sources.items():
        (tmp_path / "directory" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "directory" / name).write_bytes(data)
    git(tmp_path / "work", "init", "-q")
    shutil.copytree(tmp_path / "directory/lab1-boot", tmp_path / "work/lab1-boot")
    git(tmp_path / "work", "add", ".")
    git(tmp_path / "work", "commit", "-qm", "mine")
    subprocess.run(["git", "clone", "-q", "--bare", tmp_path / "work", tmp_path / "bare.git"],
                   check=True)
    shutil.rmtree(tmp_path / "work")
    found = {each.student: each for each in find(tmp_path)}
    assert set(found) == {"plain", "wrapped", "zipped", "twice", "directory", "bare"}
    for student, each in found.items():
        if student == "bare" and why_not():
            continue  # git reads a stranger's repository in a box
        tree = tree_of(each.path, tmp_path / "place" / student)
        assert files_of(tree) == sorted(sources), student


def git(tree: Path, *words: str) -> None:
    tree.mkdir(exist_ok=True)
    subprocess.run(["git", "-C", tree, "-c", "user.name=a", "-c", "user.email=a@a", *words],
                   check=True)


def test_nothing_lands_outside_and_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    members: dict[str, bytes | str] = {
        "../outside/up.c": b"x", str(outside / "absolute.c"): b"x", "lab1-boot/good.c": b"x",
        "lab1-boot/way": str(outside), "lab1-boot/way/through.c": b"x",
        "lab1-boot/name.txt": b"not a source"}
    tree = tree_of(packed(tmp_path / "evil.tar", members), tmp_path / "place")
    assert not list(outside.iterdir()) and not (tmp_path / "up.c").exists()
    assert "lab1-boot/good.c" in files_of(tree) and not (tree / "lab1-boot/name.txt").exists()


@pytest.mark.parametrize("name, content", [
    ("garbage.zip", b"garbage"), ("empty.tar", b""), ("other.7z", b"7z"), ("unknown", b"text"),
    ("half.tar.gz", gzip.compress(b"x" * 9999, mtime=0)[:20])])
def test_what_is_no_archive_is_refused_in_words(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        tree = tree_of(tmp_path / name, tmp_path / "place")
        assert not list(tree.iterdir())  # tar takes an empty file for an empty archive
    except BadSubmission as refusal:
        assert name in str(refusal) and str(tmp_path) not in str(refusal)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.tar.gz", "wb", compresslevel=1) as file:
        member = tarfile.TarInfo("lab1-boot/bomb.bin")
        member.size = 400 << 20
        file.write(member.tobuf())
        for _ in range(400):
            file.write(bytes(1 << 20))
    with pytest.raises(BadSubmission, match="more than 256 MiB"):
        tree_of(tmp_path / "bomb.tar.gz", tmp_path / "place")


def test_labels_are_names_that_every_tool_takes() -> None:
    names = ["anna", "M\u00fcller, J\u00f6rg (3)", "a b", "a_b", "$(touch x)", "-rf",
             "..", "\udcff", "x" * 200]
    labels = [label(name) for name in names]
    assert len(set(labels)) == len(names) and labels[0] == "anna"
    for each in labels:
        assert each.isascii() and not set(each) & set(" $();/\\") and each[0] not in "-."


# ---- Seeds, feedback, summary.

def test_a_seed_for_each_student_and_none_tells_of_another(tmp_path: Path) -> None:
    secret = plan.term_secret("", tmp_path)
    assert secret == plan.term_secret("", tmp_path)
    assert (tmp_path / "secret").stat().st_mode & 0o77 == 0
    seeds = {plan.derived_seed(secret, name) for name in map(str, range(100))}
    assert len(seeds) > 95 and all(0 <= seed < plan.SEEDS for seed in seeds)
    assert plan.derived_seed(secret, "anna") != plan.derived_seed("another", "anna")


@pytest.mark.parametrize("text, words", [
    ("", "holds no row"), ("student\nanna\nanna\n", "stands there twice"),
    ("student,seed\nanna,x\n", "a seed is a number")])
def test_a_roster_that_cannot_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "roster.csv").write_text(text)
    with pytest.raises(Exception, match=words):
        plan.read_roster(tmp_path / "roster.csv")


def record_of(student: str, seen: str = "CR0.WP is 0") -> dict[str, Any]:
    check = {"id": "T1.1", "title": "a check", "exercises": ["1.1"], "points": 0, "maximum": 60,
             "outcome": "wrong", "seconds": 0.1, "seen": seen, "expected": "it is 1",
             "hint": "CR0?", "seed": 7, "repeat": "make grade TEST=T1.1"}
    lab = {"number": 1, "name": "lab1-boot", "score": 0, "maximum": 60, "seconds": 1,
           "build": {"seconds": 1, "errors": []}, "checks": [check],
           "exercises": [{"id": "1.1", "points": 0, "maximum": 60}]}
    return {"version": 1, "student": student, "label": label(student), "key": "k", "seed": 7,
            "end": "graded", "words": "", "files": 1, "score": 0, "maximum": 60, "before": None,
            "cpu_seconds": 1.0,
            "results": {"labs": [lab], "sandbox": "bubblewrap", "score": 0, "maximum": 60}}


def test_students_are_shown_what_the_instructor_wants() -> None:
    each = record_of("anna")
    score, what, full = (feedback.text(each, detail) for detail in plan.DETAILS)
    assert "0/60" in score and "SEED=7" in score and "CR0.WP" not in score
    assert "CR0.WP is 0" in what and "CR0?" not in what
    assert "CR0?" in full and max(map(len, full.splitlines())) <= 80


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """In a spreadsheet, in a browser, on a terminal."""
    evil = "=HYPERLINK(1)</td><script>alert(1)</script>\x1b[2J\u202e"
    records = [record_of(evil, evil), record_of("anna")]
    made = plan.Plan(str(tmp_path), str(tmp_path), "g", seeds={})
    near = [likeness.Near("anna", evil, 99)]
    told = summary.write(made, records, [evil], near, {evil: evil})
    page = (tmp_path / "class.html").read_text()
    assert "<script>" not in page and "\x1b" not in page and "\u202e" not in page
    rows = list(csv.reader((tmp_path / "class.csv").open()))
    assert not any(cell[:1] in ("=", "+", "@") for row in rows for cell in row)
    assert "\x1b" not in feedback.text(records[0], "full")
    check_schema(told)
    assert told["labs"][0]["checks"][0]["lost"] == 2


def check_schema(told: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "grade/schema/class.schema.json").read_text())
    jsonschema.validate(told, schema)


@pytest.mark.skipif(not likeness.is_possible(), reason="there is no sim_c here")
def test_near_sources_are_found_though_the_names_differ() -> None:
    function = """int sum(int *list, int n) {{ int {0} = 0;
        for (int i = 0; i < n; i++) {0} += list[i]; return {0}; }}
        int most(int *list, int n) {{ int {0} = 0;
        while (n-- > 0) if (list[n] > {0}) {0} = list[n]; return {0}; }}"""
    other = "".join(f'static char text{i}[] = "{i}"; char *get{i}(void) {{ return text{i}; }}\n'
                    for i in range(9))
    found = likeness.near({"anna": function.format("total"), "bert": function.format("another"),
                           "carla": other})
    assert [(each.one, each.other) for each in found] == [("anna", "bert")]


# ---- Whole classes.

@pytest.fixture(scope="module")
def class_of_seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lab 1 of the reference, a starter, one that does not compile, one that reads what is not its
    own, in several wrappings; a broken archive, and a directory without labs."""
    top = tmp_path_factory.mktemp("class") / "handed in"
    top.mkdir()
    shutil.copytree(LAB1, top / "anna/lab1-boot")
    with tarfile.open(top / "bert.tar.gz", "w:gz") as archive:
        archive.add(LAB1, "homework/lab1-boot")
    make_tree(ROOT, top / "carla", 1)
    shutil.copytree(LAB1, top / "M\u00fcller, J. (3)/lab1-boot")
    with (top / "M\u00fcller, J. (3)/lab1-boot/gdt.c").open("a") as file:
        file.write(BROKEN)
    shutil.copytree(LAB1, top / "dieb/lab1-boot")
    gdt = top / "dieb/lab1-boot/gdt.c"
    gdt.write_text("#include <../../lab1-boot/gdt.c>\n")
    (top / "egon.zip").write_bytes(b"garbage")
    (top / "frida").mkdir()
    (top / "roster.csv").write_text("student,seed\nanna,7\nnobody,\n")
    (top / "roster.csv").rename(top.parent / "roster.csv")
    return top


SCORES = {"anna": ("graded", "10"), "bert": ("graded", "10"), "carla": ("graded", "0"),
          "M\u00fcller, J. (3)": ("graded", "0"), "dieb": ("graded", "0"),
          "egon": ("cannot be graded as it is", "0"), "frida": ("cannot be graded as it is", "0"),
          "nobody": ("no submission", "0")}

Class = Callable[..., "subprocess.CompletedProcess[str]"]


def words_for(top: Path, out: Path, **variables: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "OUT": str(out), "LAB": "1", "TEST": "T1.4", "JOBS": "2",
                   "SEEDS": str(top.parent / "roster.csv"), **variables}
    return [sys.executable, "-m", "tools.classroom", str(top)], environment


def grade_class(top: Path, out: Path, **variables: str) -> str:
    words, environment = words_for(top, out, **variables)
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=HANGING)
    assert done.returncode == 0, done.stdout
    return done.stdout


def scores(out: Path) -> dict[str, tuple[str, str]]:
    with (out / "class.csv").open(newline="") as file:
        return {row["student"]: (row["end"], row["score"]) for row in csv.DictReader(file)}


@needs_a_box
@pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is missing")
def test_killed_and_resumed_nothing_is_graded_twice(class_of_seven: Path, tmp_path: Path) -> None:
    """Killed outright in the middle; then finished; then again, where nothing is left to do; and
    after one student has changed one file only that one is graded, and the old score is kept."""
    out = tmp_path / "out"
    words, environment = words_for(class_of_seven, out, JOBS="1")
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
                          start_new_session=True) as process:
        await_records(process, out, 2)
        process.send_signal(signal.SIGKILL)
    end_orphans(out)
    before = times(out)
    assert 2 <= len(before) < 7
    said = grade_class(class_of_seven, out)
    assert f"{7 - len(before)} to grade" in said
    assert scores(out) == SCORES
    after = times(out)
    assert {name: after[name] for name in before} == before
    check_schema(json.loads((out / "class.json").read_text()))
    for path in out.rglob("*"):
        if path.is_file() and path.suffix in (".txt", ".json", ".csv", ".html") and \
                path.name != "plan.json":
            assert str(ROOT) not in path.read_text(errors="replace"), path
    assert "0 to grade" in grade_class(class_of_seven, out) and times(out) == after
    with (class_of_seven / "anna/lab1-boot/gdt.c").open("a") as file:
        file.write("/* another line */\n")
    assert "1 to grade" in grade_class(class_of_seven, out)
    anna = json.loads((out / "records/anna.json").read_text())
    assert anna["before"]["score"] == 10 == anna["score"] and anna["seed"] == 7


def await_records(process: subprocess.Popen[Any], out: Path, count: int) -> None:
    while len(times(out)) < count and process.poll() is None:
        time.sleep(0.05)


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("records/*.json")}


def end_orphans(out: Path) -> None:
    """The engine of a run that was killed is in a group of its own."""
    subprocess.run(["pkill", "-KILL", "-f", f"tools.classroom.one {out}"])
    subprocess.run(["pkill", "-KILL", "-f", f"parallel.*{out}"])


# ---- A cluster on this machine.

CONFIGURATION = """\
ClusterName=rung
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool.%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
JobRequeue=1
SlurmdTimeout=10
KillWait=5
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=grade Nodes=ALL Default=YES
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Slurm with two nodes, everything on 127.0.0.1: the environment for its commands."""
    place = tmp_path_factory.mktemp("slurm")
    place.chmod(0o755)
    (place / "state").mkdir()
    (place / "key").write_bytes(os.urandom(1024))
    (place / "key").chmod(0o600)
    ports = free_ports(3)
    host = socket.gethostname().split(".")[0]
    (place / "slurm.conf").write_text(CONFIGURATION.format(place=place, host=host, ports=ports))
    environment = {"SLURM_CONF": str(place / "slurm.conf")}
    running: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        running.append(subprocess.Popen(
            words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))

    start("munged", "--force", "--foreground", f"--key-file={place}/key",
          f"--socket={place}/munge.socket", f"--pid-file={place}/munged.pid",
          f"--log-file={place}/munged.log", f"--seed-file={place}/seed")
    wait_until(lambda: (place / "munge.socket").exists())
    start("slurmctld", "-D")
    start("slurmd", "-D", "-N", "n1")
    start("slurmd", "-D", "-N", "n2")
    try:
        wait_until(lambda: slurm(environment, "sinfo", "-h", "-o", "%t %D") == "idle 2\n")
        yield environment
    finally:
        for each in reversed(running):
            each.terminate()
        for each in running:
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()


def slurm(environment: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env={**os.environ, **environment}, capture_output=True,
                          text=True).stdout


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGING
    while not holds():
        assert time.monotonic() < deadline, "it does not come up"
        time.sleep(0.1)


@needs_a_box
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("slurmctld"),
                    reason="Slurm comes up for root, where it is installed")
def test_a_cluster_whose_node_dies_loses_nothing(class_of_seven: Path, tmp_path: Path,
                                                 cluster: dict[str, str]) -> None:
    out = tmp_path / "out"
    words, environment = words_for(class_of_seven, out, ENGINE="slurm", **cluster)
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        await_records(process, out, 1)
        slurm(cluster, "scontrol", "update", "nodename=n2", "state=down", "reason=a test")
        slurm(cluster, "scontrol", "update", "nodename=n2", "state=resume")
        while process.poll() is None:  # Slurm waits for two minutes before it runs a job again
            for job in slurm(cluster, "squeue", "-h", "-t", "PD", "-o", "%i").split():
                slurm(cluster, "scontrol", "update", f"jobid={job}", "starttime=now")
            time.sleep(0.2)
        assert process.stdout
        said = process.stdout.read()
    assert process.returncode == 0, said
    assert scores(out) == SCORES
