"""Parrots: kernels that print what a perfect run prints, and do nothing else, score nothing."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from grade import toolchain
from grade.build import build
from grade.catalog import load
from grade.tests.kernels.grading import (LABS, SEED, WITH_SHELL, WORK, grade, lost,
                                         remember)
from grade.lab import Lab
from grade.machine import Machine, Module
from grade.run import SHORT, bounded, run_check
from grade.tree import ROOT, lab_directory
from tools.bug import copy_tree
from tools.starter import make_tree

# What a parrot does after its speech: 32-bit code, at the end of which nothing follows. (One that
# leaves as it should is the echo, below.)
LEAVES = ["mov al, EXIT_OK", "mov edx, EXIT_PORT", "out dx, al"]
MANNERS = {
    "hangs": ["jmp $"],
    "panics": ["mov al, EXIT_PANIC", "mov edx, EXIT_PORT", "out dx, al"],
}


def perfect_speech(lab: int) -> str:
    """The serial text of the reference's whole run."""
    directory = lab_directory(ROOT, lab)
    kernel = build(directory, WORK / f"parrots/lab{lab}-reference")
    hello = kernel.kernel.parent / "user" / "hello.elf"
    modules = [Module(hello.read_bytes(), "hello")] if lab >= WITH_SHELL else []
    with Lab(ROOT, directory, kernel, SEED).boot(modules=modules) as machine:
        machine.run_to_exit()
        return machine.console.text


def reference_symbols(lab: int) -> list[str]:
    """Every name that the reference's lab defines, and common does not."""
    built = WORK / f"parrots/lab{lab}-reference/obj"
    names = []
    for part in (lab_directory(ROOT, lab).name, "common"):
        said = subprocess.run([toolchain.tool("nm"), "--defined-only", "-g", "-j",
                               *sorted((built / part).rglob("*.o"))],
                              capture_output=True, text=True, check=True).stdout
        names.append({line for line in said.split() if re.fullmatch(r"\w+", line)})
    return sorted(names[0] - names[1] - {"_start"})


def nasm_bytes(text: str) -> str:
    return "\n".join("        db " + ", ".join(str(byte) for byte in line)
                     for line in chunks(text.encode() + b"\0", 16))


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at:at + size] for at in range(0, len(data), size)]


def parrot_source(speech: str, symbols: list[str], manner: list[str]) -> str:
    """A Multiboot2 kernel that speaks and has every name that is asked for, and no substance."""
    names = "\n".join(f"global {name}\n{name}:" for name in symbols)
    return "\n".join([
        '%include "constants.inc"',
        "section .multiboot2 progbits alloc noexec nowrite align=8",
        "header: dd MULTIBOOT2_HEADER_MAGIC, 0, .end - header",
        "        dd 0x100000000 - (MULTIBOOT2_HEADER_MAGIC + (.end - header))",
        "        dw 0, 0",
        "        dd 8",
        ".end:",
        "section .boot progbits alloc exec nowrite align=16",
        "bits 32",
        "global _start",
        "_start: mov esi, speech",
        "next:   lodsb",
        "        test al, al",
        "        jz silence",
        "        mov edx, COM1",
        "        out dx, al",
        "        jmp next",
        "silence:",
        *("        " + line for line in manner),
        "        hlt",
        "        jmp silence",
        "speech:", nasm_bytes(speech),
        "section .text progbits alloc exec nowrite align=16",
        "bits 64",
        names,
        "        ret",
        "        times 4096 db 0", ""])


def parrot(lab: int, name: str, manner: list[str], speech: str) -> Path:
    build(lab_directory(ROOT, lab), WORK / f"parrots/lab{lab}-reference")
    return tree_of(lab, name, parrot_source(speech, reference_symbols(lab), manner))


def tree_of(lab: int, name: str, source: str) -> Path:
    """A tree in which the lab is nothing but a parrot."""
    directory = lab_directory(ROOT, lab).name
    tree = WORK / f"parrots/lab{lab}-{name}/tree"
    copy_tree(tree)
    shutil.rmtree(tree / directory)
    (tree / directory).mkdir()
    shutil.copy(ROOT / directory / "Makefile", tree / directory)
    for header in (ROOT / directory).glob("*.h"):
        shutil.copy(header, tree / directory)
    (tree / directory / "parrot.asm").write_text(source)
    return tree


@pytest.mark.parametrize("lab, manner", [
    *((lab, manner) for lab in LABS for manner in ("panics", "silent")),
    *((lab, "hangs") for lab in LABS[1::3])])
def test_parrot_scores_nothing(lab: int, manner: str, request: pytest.FixtureRequest) -> None:
    """`silent` says nothing at all and leaves with the code for success at once. Few hang: it costs
    each check its whole limit, and the echo below is asked for more."""
    speech = "" if manner == "silent" else perfect_speech(lab)
    tree = parrot(lab, manner, MANNERS.get(manner, LEAVES), speech)
    result = grade(tree, lab, f"parrots/lab{lab}-{manner}")
    remember(request, "parrots", f"lab {lab}  {manner:8} {result.score:3} points")
    assert result.score == 0, [each.check.id for each in result.checks if each.passed]
    assert all(each.graded for each in result.checks), lost(result)


# A parrot that comes wherever a check waits for it, and knows by heart what is to be said there.
MARK = b"what it says is put here"
ROUNDS = 60  # as often it comes to each place
ECHO = """
%include "constants.inc"
STACK   equ 0x90000
section .multiboot2 progbits alloc noexec nowrite align=8
header: dd MULTIBOOT2_HEADER_MAGIC, 0, .end - header
        dd 0x100000000 - (MULTIBOOT2_HEADER_MAGIC + (.end - header))
        dw 0, 0
        dd 8
.end:
section .boot progbits alloc exec nowrite align=16
bits 32
global _start
_start: mov     esp, STACK
        mov     ebx, {rounds}
again:  push    0                       ; a return address as the grader knows it has 64 bits
        push    back
{names}
        ret     4
back:   dec     ebx
        jnz     again
        mov     esi, speech
        mov     ecx, [size]
        mov     edx, COM1
        rep     outsb
        mov     al, EXIT_OK
        mov     edx, EXIT_PORT
        out     dx, al
        hlt
        db      "{mark}"
size:   dd      0
speech: times   {room} db 0
section .text progbits alloc exec nowrite align=16
        times   4096 db 0
"""


def recorded(lab: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the reference prints in each check, with another seed."""
    directory, heard = lab_directory(ROOT, lab), bytearray()
    built = build(directory, WORK / f"parrots/lab{lab}-reference")
    close = Machine.close

    def listen(machine: Machine) -> None:
        heard.extend(machine.console.raw)
        close(machine)

    said = {}
    with monkeypatch.context() as patch:
        patch.setattr(Machine, "close", listen)
        for check in load(lab):
            heard.clear()
            assert run_check(check, Lab(ROOT, directory, built, SEED + 1).for_check(check)).passed
            said[check.id] = bytes(heard)
    return said


def echo(lab: int, room: int) -> Path:
    labels = "".join(f"global {name}\n{name}:\n" for name in reference_symbols(lab))
    return tree_of(lab, "echo", ECHO.format(names=labels, rounds=ROUNDS, room=room,
                                            mark=MARK.decode()))


@pytest.mark.parametrize("lab", LABS)
def test_echo_scores_nothing(lab: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes to every place, says in every check what a perfect kernel says there, and leaves as
    it does, has shown nothing."""
    said = recorded(lab, monkeypatch)
    tree = echo(lab, max(map(len, said.values())))
    directory = lab_directory(tree, lab)
    built = build(directory, WORK / f"parrots/lab{lab}-echo/build")
    silent = {path: path.read_bytes() for path in (built.kernel, built.probe)}
    results = []
    for check in load(lab):
        words = said[check.id]
        for path, image in silent.items():
            at = image.index(MARK) + len(MARK)
            path.write_bytes(image[:at] + struct.pack("<I", len(words)) + words
                             + image[at + 4 + len(words):])
        with bounded(SHORT):
            results.append(run_check(check, Lab(tree, directory, built, SEED).for_check(check)))
    assert not [each.check.id for each in results if each.passed]
    assert all(each.graded for each in results), [(each.check.id, each.seen, each.details)
                                                  for each in results if not each.graded]


YES = """/* A student who says yes to everything: each exercise returns 0, which is OK, at once. */
#define NOT_WRITTEN(exercise)                            \\
    do {                                                 \\
        __asm__ volatile("xorl %eax, %eax; leave; ret"); \\
        __builtin_unreachable();                         \\
    } while (0)
"""


def yes_man_main(speech: str) -> str:
    """kmain of a kernel that has booted by an earlier lab's work, and from there on only talks."""
    text = "".join(f'    "{escaped(line)}\\n"\n' for line in speech.splitlines())
    return f"""#include "panic.h"
#include "last_words.h"
#include "serial.h"
void kmain(uint32_t boot_info);
void kmain(uint32_t boot_info)
{{
    serial_init();
    last_words({text});
    kernel_ready();
    machine_exit(EXIT_OK);
}}
"""


def escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "")


@pytest.mark.parametrize("lab", [lab for lab in LABS if lab > 1])
def test_yes_man_scores_nothing(lab: int, request: pytest.FixtureRequest) -> None:
    """Earlier labs solved, this lab's exercises all answered by «OK», and the perfect text."""
    tree = WORK / f"parrots/lab{lab}-yes-man/tree"
    make_tree(ROOT, tree, lab, lambda exercise: not exercise.startswith(f"{lab}."))
    directory = lab_directory(tree, lab)
    (directory / "not_written.h").write_text(YES)
    (directory / "main.c").write_text(yes_man_main(perfect_speech(lab)))
    result = grade(tree, lab, f"parrots/lab{lab}-yes-man")
    remember(request, "parrots", f"lab {lab}  yes-man  {result.score:3} points")
    assert result.score == 0, [each.check.id for each in result.checks if each.passed]
    assert all(each.graded for each in result.checks), lost(result)
