"""Editors: what clangd, ctags and VS Code are told about the tree, and about a starter."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from grade.tests.tools.conftest import ROOT, Run
from grade.tree import lab_directory, labs
from tools.starter import make_tree

LABS = [path.name for path in labs(ROOT).values()]
STARTER_LAB = 3
WITH_CLANGD = pytest.mark.skipif(not shutil.which("clangd"),
                                 reason="clangd is not installed: make setup check")
WITH_CTAGS = pytest.mark.skipif(not shutil.which("ctags"),
                                reason="ctags is not installed: make setup check")
# What a path and an option may hold, and still be read by the shell and by JSON.
DIRECTORY = "it+is,a@trée"
EXTRA = """-DNAME="a 'b'" -DC='"\\d"' -DTAB='\t'"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All labs, solved, in a directory of an odd name."""
    made = tmp_path_factory.mktemp("editors") / DIRECTORY
    make_tree(ROOT, made, len(LABS), lambda exercise: True)
    index(made)
    return made


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What students get, in the middle of the course."""
    made = tmp_path_factory.mktemp("editors") / "starter"
    make_tree(ROOT, made, STARTER_LAB)
    index(made)
    return made


def index(directory: Path) -> None:
    """make tags, with or without ctags."""
    make(directory, "tags", "-k" if shutil.which("ctags") else "-i")


def make(directory: Path, *words: str, fails: bool = False) -> str:
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "LAB", "TEST", "CC", "OPT")}
    done = subprocess.run(["make", *words], cwd=directory, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def database(directory: Path) -> list[dict[str, str]]:
    entries = json.loads((directory / "compile_commands.json").read_text(encoding="utf-8"))
    assert isinstance(entries, list) and entries
    return entries


# ---- compile_commands.json

@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("extra", ["", EXTRA], ids=["plain", "quoted"])
def test_the_list_is_what_make_would_do(whole: Path, lab: str, extra: str) -> None:
    """For each C file, of the kernel and of programs, word for word what the rule's shell gets."""
    words = [f"EXTRA_CFLAGS={extra}"] if extra else []
    make(whole / lab, "database", *words)
    said = make(whole / lab, "-n", "V=1", "-B", "kernel", "probe", *words).replace("\\\n", " ")
    done: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith("cd ") and ".c -o " in line:
            command = shlex.split(line.split(" && ", 1)[1])
            del command[command.index("-o"):]
            done[os.path.realpath(command[-1])] = [
                word for word in command[:-2] if word not in ("-MD", "-MP")]
    assert len(done) > 10
    listed = {os.path.realpath(entry["file"]): shlex.split(entry["command"])
              for entry in database(whole / "build" / lab)}
    assert {file: command[:-2] for file, command in listed.items()} == done
    for entry in database(whole / "build" / lab):
        assert shlex.split(entry["command"])[-2:] == ["-c", entry["file"]]
        assert entry["directory"] == str(whole)
    make(whole / lab, "database")


def test_one_list_holds_those_of_all_labs(whole: Path) -> None:
    merged = database(whole / "build")
    assert merged == list(itertools.chain.from_iterable(
        database(whole / "build" / lab) for lab in LABS))
    every = {entry["file"] for entry in merged}
    for pattern in ("lab[1-9]-*/*.c", "common/**/*.c", "grade/probes/*.c"):
        assert every >= {str(path) for path in whole.glob(pattern)}


def test_it_is_there_before_the_lab_compiles(whole: Path, tmp_path: Path) -> None:
    """An editor is needed most for a lab that does not compile. And who builds elsewhere edits
    nothing here."""
    before = database(whole / "build")
    make(whole / LABS[0], "kernel", "CC=false", f"BUILD={tmp_path / 'elsewhere'}", fails=True)
    assert not list(tmp_path.rglob("compile_commands*")) and database(whole / "build") == before
    shutil.rmtree(whole / "build" / LABS[0])
    make(whole / LABS[0], "kernel", "CC=false", fails=True)
    assert {entry["command"].split()[0] for entry in database(whole / "build" / LABS[0])} == {
        "false"}
    make(whole / LABS[0], "database")
    assert database(whole / "build") == before


# ---- clangd

class Clangd:
    """clangd as an editor talks to it: the language server protocol on a pipe."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root, self.number = root, 0
        self.process = subprocess.Popen(["clangd", "-j=1", *options], cwd=root,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.ask("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": {}})
        self.tell("initialized", {})

    def tell(self, method: str, params: Any, **more: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout
        size = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        assert size, "clangd ended"
        return json.loads(self.process.stdout.read(size))

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        self.tell(method, params, id=self.number)
        while (message := self.hear()).get("id") != self.number or "method" in message:
            pass
        return message["result"]

    def errors(self, name: str) -> list[str]:
        """What an editor would underline in red."""
        uri = self.uri(name)
        self.tell("textDocument/didOpen", {"textDocument": {
            "uri": uri, "languageId": "c", "version": 1, "text": (self.root / name).read_text()}})
        while True:
            message = self.hear()
            if message.get("method") == "textDocument/publishDiagnostics" \
                    and unquote(message["params"]["uri"]) == unquote(uri):
                return [f"{name}:{each['range']['start']['line'] + 1}: {each['message']}"
                        for each in message["params"]["diagnostics"] if each["severity"] == 1]

    def included(self, name: str, header: str) -> str:
        """The real file that a line of an open file includes, relative to the tree."""
        lines = (self.root / name).read_text().splitlines()
        at = {"line": lines.index(f'#include "{header}"'), "character": 12}
        found = self.ask("textDocument/definition",
                         {"textDocument": {"uri": self.uri(name)}, "position": at})
        return os.path.relpath(os.path.realpath(unquote(found[0]["uri"])[len("file://"):]),
                               self.root)

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()  # a symlink's own: editors do not follow it

    def close(self) -> None:
        try:
            self.ask("shutdown", None)
            self.tell("exit", None)
            self.process.communicate(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def clangd(whole: Path) -> Iterator[Clangd]:
    server = Clangd(whole, "--background-index=false")
    yield server
    server.close()


@WITH_CLANGD
@pytest.mark.parametrize("which", ["whole", "starter"])
def test_clangd_checks_one_file_per_lab(which: str, request: pytest.FixtureRequest,
                                        run: Run) -> None:
    root: Path = request.getfixturevalue(which)
    for lab in labs(root).values():
        done = run("clangd", "--check=main.c", "--check-lines=1", cwd=lab)
        assert done.returncode == 0, done.stderr
        assert re.search(rf'-I\S+/{lab.name}"? ', done.stderr), done.stderr


@WITH_CLANGD
def test_an_editor_sees_no_error_in_any_header(whole: Path, clangd: Clangd) -> None:
    """A header is opened as a file, and need not say what to include before it."""
    headers = [path.relative_to(whole).as_posix() for pattern in ("lab[1-9]-*/*.h", "common/**/*.h")
               for path in sorted(whole.glob(pattern)) if not path.is_symlink()]
    assert len(headers) > 60
    assert [error for name in headers for error in clangd.errors(name)] == []


@WITH_CLANGD
def test_an_error_is_an_error(whole: Path, clangd: Clangd) -> None:
    """The paddr_t of types.h is no number: what the tests above hear comes from the compiler."""
    (whole / "common/include/wrong.h").write_text(
        '#include "types.h"\nstatic inline paddr_t wrong(void)\n{\n    return 1;\n}\n')
    try:
        assert len(clangd.errors("common/include/wrong.h")) == 1
    finally:
        (whole / "common/include/wrong.h").unlink()


@WITH_CLANGD
def test_a_symlink_includes_its_own_lab_s_headers(whole: Path, clangd: Clangd) -> None:
    """lab6-kpti/paging.c leads to lab 2's; its tlb.h is lab 6's all the same."""
    cases = {name: (header, own) for name, header, own in includes_that_depend(whole)}
    assert cases["lab6-kpti/paging.c"] == ("tlb.h", "lab6-kpti/tlb.h")
    for name, (header, own) in cases.items():
        assert clangd.errors(name) == []
        assert clangd.included(name, header) == own, name


def includes_that_depend(root: Path) -> Iterator[tuple[str, str, str]]:
    """Symlinks, and a header of theirs that is another one where the symlink leads to."""
    for lab in LABS:
        for source in sorted((root / lab).glob("*.c")):
            beside = source.resolve().parent
            for header in re.findall(r'^#include "(.*)"$', source.read_text(), re.M):
                own = source.parent / header
                other = beside / header
                if source.is_symlink() and own.exists() and other.exists() \
                        and not own.samefile(other):
                    yield (source.relative_to(root).as_posix(), header,
                           own.resolve().relative_to(root).as_posix())


@WITH_CLANGD
def test_nothing_is_generated_outside_build(starter: Path) -> None:
    """clangd keeps an index as well."""
    before = snapshot(starter)
    server = Clangd(starter)
    try:
        assert server.errors(f"{LABS[0]}/main.c") == []
        for _ in range(600):  # it is written in the background
            if list(starter.rglob("*.idx")):
                break
            time.sleep(0.1)
        else:
            pytest.fail("clangd has written no index")
    finally:
        server.close()
    assert snapshot(starter) == before


def snapshot(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*") if path.relative_to(root).parts[0] != "build"}


# ---- ctags

@WITH_CTAGS
@pytest.mark.parametrize("which", ["whole", "starter"])
def test_each_definition_is_listed_once_where_it_lies(which: str, request: pytest.FixtureRequest,
                                                      ) -> None:
    root: Path = request.getfixturevalue(which)
    tags = [line.split("\t") for line in (root / "build/tags").read_text().splitlines()
            if not line.startswith("!")]
    files = {file for _, file, *_ in tags}
    assert not [file for file in files if (root / "build" / file).is_symlink()]
    assert all((root / "build" / file).is_file() and file.startswith("../") for file in files)
    assert len({tuple(tag) for tag in tags}) == len(tags)

    def where(name: str) -> list[str]:
        return [file for tag, file, *_ in tags if tag == name]

    assert where("map_page") == ["../lab2-paging/paging.c"]
    assert where("enter_long_mode") == ["../lab1-boot/boot.asm"]
    assert where("paddr_t") == ["../common/include/types.h"]
    assert where("kmain") == [f"../{lab.name}/main.c" for lab in labs(root).values()]
    assert not where("bits") and not where("extern")


def test_without_ctags_make_says_what_to_install(starter: Path, all_but: Any, run: Run) -> None:
    done = run("make", "tags", cwd=starter, env={"PATH": all_but({}, "ctags")})
    assert done.returncode == 2 and "universal-ctags" in done.stderr
    database(starter / "build")


# ---- VS Code

def vscode(root: Path, name: str) -> Any:
    """JSON without comments, which other programs read as well."""
    return json.loads((root / ".vscode" / name).read_text())


def choices(file: Mapping[str, Any]) -> dict[str, list[str]]:
    """What each question of the file can be answered with."""
    sample = {"exercise": ["2.3", "T2.3,T2.4"], "check": ["T2.3"]}
    return {question["id"]: [option if isinstance(option, str) else option["value"]
                             for option in question.get("options", [])] or sample[question["id"]]
            for question in file["inputs"]}


def filled(text: str, answers: Mapping[str, list[str]]) -> Iterator[str]:
    """The text, with each answer to each question in it."""
    names = re.findall(r"\$\{input:(\w+)\}", text)
    for chosen in itertools.product(*(answers[name] for name in names)):
        made = text
        for name, answer in zip(names, chosen):
            made = made.replace(f"${{input:{name}}}", answer)
        yield made


@pytest.mark.parametrize("which", ["whole", "starter"])
def test_tasks_are_goals_of_the_makefile(which: str, request: pytest.FixtureRequest, tmp_path: Path,
                                         run: Run) -> None:
    """Every command is run, for every answer, by the real Makefile over labs that only say what
    they are asked; and each of its variables is one that the table has for its goal."""
    root: Path = request.getfixturevalue(which)
    (root / "tools/authors.mk").unlink(missing_ok=True)
    shown = run("make", cwd=root).stdout
    fake = pretended(root, tmp_path / "fake")
    tasks = vscode(root, "tasks.json")
    assert {task["label"].split(":")[0] for task in tasks["tasks"]} >= {
        "run", "grade", "grade this exercise", "debug"}
    for task in tasks["tasks"]:
        assert not re.search(r"\$\{(?!input:)", task["command"])
        for command in filled(task["command"], choices(tasks)):
            program, goal, *variables = shlex.split(command)
            assert program == "make"
            line = re.search(rf"^  make {goal} .*(\n {{5,}}.*)*", shown, re.M)
            assert line, command
            for variable in variables:
                assert f"[{variable.split('=')[0]}=" in line[0], command
            done = run("sh", "-c", command, cwd=fake)
            assert done.returncode == 0 and "".join(variables) in done.stdout, (command, done)


def pretended(root: Path, fake: Path) -> Path:
    """The Makefile, and labs and a Python that say what they are asked."""
    shutil.copytree(root / "common", fake / "common")
    shutil.copy(root / "Makefile", fake / "Makefile")
    (fake / "tools").mkdir()
    (fake / "tools/python").write_text("echo LAB=$LAB; echo TEST=$TEST; mkdir -p build\n")
    for lab in labs(root):
        name = lab_directory(root, lab).name
        (fake / name).mkdir()
        (fake / name / "Makefile").write_text("iso database:\n\t@echo LAB=$(LAB)\n")
    return fake


@pytest.mark.parametrize("which", ["whole", "starter"])
def test_the_debugger_takes_what_make_debug_builds(which: str, request: pytest.FixtureRequest,
                                                   ) -> None:
    """The kernel where lab.mk puts it, the port that make debug has by itself, files that exist."""
    root: Path = request.getfixturevalue(which)
    launch = vscode(root, "launch.json")
    answers = choices(launch)
    names = [lab.name for lab in labs(root).values()]
    assert sorted(answers["directory"]) == names
    assert sorted(choices(vscode(root, "tasks.json"))["lab"]) == [lab[3] for lab in names]
    port = re.search(r'"GDBPORT"\) or "(\d+)"', (root / "tools/run.py").read_text())
    assert port
    for each in launch["configurations"]:
        assert each["miDebuggerServerAddress"] == f"localhost:{port[1]}"
        programs = [program.replace("${workspaceFolder}", str(root))
                    for program in filled(each["program"], answers)]
        for lab, program in zip(answers["directory"], programs):
            goals = make(root / lab, "-n", "V=1", "kernel")
            assert f" -o {program} " in goals, program
        for command in each["setupCommands"]:
            for file in re.findall(r"\$\{workspaceFolder\}/(\S+)", command["text"]):
                assert (root / file).is_file()


def test_starters_have_what_editors_read(starter: Path) -> None:
    assert (starter / ".clangd").read_text() == (ROOT / ".clangd").read_text()
    assert sorted(path.name for path in (starter / ".vscode").iterdir()) == sorted(
        path.name for path in (ROOT / ".vscode").iterdir())
    for path in (starter / ".vscode").iterdir():
        vscode(starter, path.name)
        assert not re.search(rf"lab[{STARTER_LAB + 1}-9]", path.read_text())
