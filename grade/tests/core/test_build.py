"""What is shown of a build that failed, and whose fault it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from grade.build import build, explain_failure, first_errors
from grade.errors import BuildFailed, MissingTool

GCC = """\
make: Entering directory '/t/lab1-boot'
gdt.c: In function 'init_gdt':
gdt.c:10:5: warning: unused variable 'a' [-Wunused-variable]
   10 |     int a;
gdt.c:12:5: error: 'b' undeclared (first use in this function)
   12 |     b = 1;
      |     ^
make: *** [lab.mk:60: gdt.c.o] Error 1
make: Leaving directory '/t/lab1-boot'
"""


def test_the_first_error_comes_first() -> None:
    lines = first_errors(GCC)
    assert lines[0].startswith("gdt.c:12:5: error:")
    assert not any("directory" in line for line in lines)


def test_many_errors_are_cut_and_counted() -> None:
    lines = first_errors("".join(f"a.c:{n}:1: error: no\n" for n in range(100)))
    assert len(lines) == 15 and lines[-1] == "… and 86 more errors"


@pytest.mark.parametrize("output", [
    "/bin/sh: 1: nasm-of-tomorrow: not found\nmake: *** [x] Error 127\n",
    "bash: line 1: nasm-of-tomorrow: command not found\n",
    "make[1]: nasm-of-tomorrow: No such file or directory\n",
])
def test_a_tool_that_make_misses(output: str) -> None:
    with pytest.raises(MissingTool, match="nasm-of-tomorrow"):
        explain_failure(output)


def test_a_missing_include_is_no_missing_tool() -> None:
    with pytest.raises(BuildFailed):
        explain_failure("a.c:1:10: fatal error: b.h: No such file or directory\n")


def test_silence_is_said_too() -> None:
    with pytest.raises(BuildFailed, match="said nothing"):
        explain_failure("")


def test_make_must_make_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules.mk"
    rules.write_text(".PHONY: kernel probe\nkernel probe:\n\t@true\n")
    monkeypatch.setenv("RUNG_RULES", str(rules))
    with pytest.raises(BuildFailed, match="made no kernel.elf"):
        build(tmp_path, tmp_path / "build")
