"""Hosts that are not x86-64: there the programs for x86-64 code have a prefix, and plain gcc, ld
and the like make and read other code, or are not there at all."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from grade import toolchain
from grade.tests.tools.conftest import AllBut, FakePath, Run

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "x86_64-linux-gnu-"

# Whatever knows one machine only. (as is kept: Debian's own gcc looks for it under this name.)
PLAIN = ("gcc", "cc", "c99", "cpp", "clang", "ld", "ld.bfd", "ld.gold", "nm", "objcopy", "objdump",
         "addr2line", "llvm-addr2line", "readelf", "strip", "ar", "ranlib", "size", "strings")

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="every test runs so here")


@pytest.fixture
def elsewhere(all_but: AllBut) -> dict[str, str]:
    """The environment of such a host."""
    return {"PATH": all_but({"uname": "echo aarch64"}, *PLAIN), "CROSS": PREFIX, "GDB": "gdb"}


@on_x86
def test_the_newest_lab_is_built_with_the_prefix_only(run: Run, tmp_path: Path,
                                                      elsewhere: dict[str, str]) -> None:
    """By lab.mk alone, which finds the prefix by itself; in the newest lab are the others. The
    kernel is the same as ever, and places in its source are found, without which a failure cannot
    be explained."""
    elsewhere = {name: value for name, value in elsewhere.items() if name != "CROSS"}
    lab = max(ROOT.glob("lab[1-9]-*"))
    made, usual = tmp_path / "made", tmp_path / "usual"
    done = run("make", "-s", "-C", lab, f"BUILD={made}", "iso", env=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (made / "rung.iso").is_file()
    assert run("make", "-s", "-C", lab, f"BUILD={usual}").returncode == 0
    assert (usual / "kernel.elf").read_bytes() == (made / "kernel.elf").read_bytes()
    place = run(ROOT / "tools/python", "-c", f"""
from pathlib import Path
from grade.machine.symbols import Symbols
symbols = Symbols(Path("{made}/kernel.elf"))
print(symbols.line(symbols["kmain"]))""", env={**elsewhere, "CROSS": PREFIX}).stdout
    assert place.startswith("main.c:"), place


@on_x86
def test_a_lab_is_graded_with_the_prefix_only(run: Run, tmp_path: Path,
                                              elsewhere: dict[str, str]) -> None:
    """Also with words around the compiler."""
    out = tmp_path / "out"
    done = run(ROOT / "tools/python", "-m", "grade", "--lab", "1", "--jobs", "1", "--out", out,
               "--cc", "env gcc -m64", env=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((out / "results.json").read_text())["score"] == 100


@on_x86
def test_the_graders_machine_and_programs_are_made_with_the_prefix_only(
        run: Run, tmp_path: Path, elsewhere: dict[str, str]) -> None:
    done = run(ROOT / "tools/python", "-c", f"""
from pathlib import Path
from grade.machine import template
print(template._build_stub(Path({str(tmp_path)!r}))[0].entry)""", env=elsewhere)
    assert int(done.stdout or "0") >= 0x200000, done.stderr
    done = run("make", "-s", "-C", ROOT / "grade/programs/hostile", "-j2", f"BUILD={tmp_path}/h",
               f"{tmp_path}/h/fork-bomb.elf", f"{tmp_path}/h/writev.elf", env=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr


@on_x86
def test_the_doctor_is_content_with_the_prefix(run: Run, elsewhere: dict[str, str]) -> None:
    done = run(ROOT / "tools/doctor", env=elsewhere)
    assert done.returncode == 0, done.stdout
    assert f"{PREFIX}gcc" in done.stdout and f"{PREFIX}ld, nm, objcopy" in done.stdout


@on_x86
def test_clang_is_told_which_code_to_make(run: Run, tmp_path: Path, all_but: AllBut) -> None:
    """A clang is for all machines, and makes code for its own without a word."""
    path = all_but({"uname": "echo aarch64",
                    "clang": 'echo "$*" >> "$CALLS"; exec /usr/bin/clang "$@"'}, *PLAIN)
    calls = tmp_path / "calls"
    done = run("make", "-s", "-C", ROOT / "lab1-boot", "CC=clang", f"BUILD={tmp_path}/made",
               env={"PATH": path, "CALLS": str(calls)})
    assert done.returncode == 0, done.stdout + done.stderr
    for call in calls.read_text().splitlines():
        assert "--target=x86_64-linux-gnu" in call, call


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
@pytest.mark.parametrize("given", [None, "", "mine-"])
def test_all_choose_the_same_prefix(machine: str, given: str | None, run: Run,
                                    fake_path: FakePath, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_path({"uname": f"echo {machine}", "gdb-multiarch": ""})
    given_too = {} if given is None else {"CROSS": given}
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setenv("PATH", path + ":" + os.environ["PATH"])
    monkeypatch.delenv("CROSS", raising=False)
    monkeypatch.delenv("GDB", raising=False)
    for name, value in given_too.items():
        monkeypatch.setenv(name, value)
    expected = ("" if machine == "x86_64" else PREFIX) if given is None else given
    assert toolchain.tool("ld") == f"{expected}ld"
    assert toolchain.compiler("ccache gcc -m64") == ["ccache", f"{expected}gcc", "-m64"]
    shell = run("sh", "-c", f'. {ROOT}/tools/cross; echo "$CROSS $GDB"').stdout
    assert shell == f"{expected} {toolchain.gdb()}\n"
    assert toolchain.gdb() == ("gdb" if machine == "x86_64" else "gdb-multiarch")
    make = run("make", "-s", "-C", ROOT / "lab1-boot", "CC=ccache gcc -m64", "--eval",
               "show: ; @echo '$(CC) $(LD) $(NM) $(OBJCOPY)'", "show").stdout
    assert make == f"ccache {expected}gcc -m64 {expected}ld {expected}nm {expected}objcopy\n"


@pytest.mark.parametrize(("script", "said"), [
    ("echo QEMU emulator version 6.2.0", "is version 6.2.0, and 7.2 or newer is needed"),
    ("echo libz.so.1: cannot open shared object file >&2; exit 127",
     "does not run: `qemu-system-x86_64 --version` ends with 127: libz.so.1: cannot open"),
    ("kill -11 $$", "ends with -11"),
    ("echo hello", "does not run"),
    ("echo QEMU emulator version 7.2.22", ""),
    ("echo QEMU emulator version 11.1.3", ""),
    (None, "is not installed; `make setup` installs it"),
])
def test_what_is_wrong_with_a_program_is_said(script: str | None, said: str, fake_path: FakePath,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = {} if script is None else {"qemu-system-x86_64": script}
    monkeypatch.setenv("PATH", fake_path(scripts))
    fault = toolchain.version_fault("qemu-system-x86_64")
    assert said in fault and bool(said) == bool(fault)
