"""Debug information names the right lines: of C the compiler's affair, of assembly ours."""

from __future__ import annotations

import re

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from grade.build import build
from grade.tests.kernels.grading import LABS, WORK
from grade.tree import ROOT, lab_directory

LABEL = re.compile(r"^(\w+):")
INSTRUCTION = re.compile(r"^\s+[a-z]")


def labels(source: str) -> dict[str, int]:
    """Each label that is followed by an instruction, not by data or a macro, and its line."""
    found, waiting = {}, []
    for number, line in enumerate(source.splitlines(), 1):
        label = LABEL.match(line)
        if label:
            waiting.append(label[1])
        elif INSTRUCTION.match(line):
            if line.split()[0] not in ("align", "dq", "dd", "dw", "db", "times", "global"):
                found.update({name: number for name in waiting})
            waiting.clear()
        elif line and not line.startswith(";"):
            waiting.clear()  # a macro, or another section
    return found


@pytest.mark.parametrize("lab", LABS)
def test_a_label_of_assembly_is_at_its_instruction(lab: int) -> None:
    directory = lab_directory(ROOT, lab)
    kernel = build(directory, WORK / f"lines/lab{lab}").kernel
    compared = 0
    with kernel.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}
        for unit in elf.get_dwarf_info().iter_CUs():
            program = elf.get_dwarf_info().line_program_for_CU(unit)
            assert program
            source = ROOT / program["file_entry"][0].name.decode()
            if source.suffix != ".asm":
                continue
            lines = {entry.state.address: entry.state.line for entry in program.get_entries()
                     if entry.state and not entry.state.end_sequence}
            for name, line in labels(source.read_text()).items():
                if symbols[name] in lines:  # not before data that looks like an instruction
                    assert lines[symbols[name]] == line, f"{source.name}: {name}"
                    compared += 1
    assert compared > 5
