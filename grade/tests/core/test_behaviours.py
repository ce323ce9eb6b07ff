"""book/behaviours.md: each row names a file that its lab has, and checks that there are."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import pytest

from grade.catalog import check_files, load
from grade.tree import ROOT, lab_directory

TABLE = ROOT / "book/behaviours.md"
DOCUMENTS = {"VeridianOS, usermode.rs": 46, "VeridianOS, syscall.rs": 19,
             "Breenix, Direct Userspace Execution": 10, "AethelOS, Ring 3 Integration Plan": 21,
             "VeridianOS, kpti.rs": 13}


class Row(NamedTuple):
    document: str
    number: int
    behaviour: str
    lab: int
    files: list[str]
    checks: list[str]


def rows() -> list[Row]:
    """Every line of the table that is one; what is none fails here."""
    found = []
    for section in TABLE.read_text().split("\n## ")[1:]:
        document, _, text = section.partition("\n")
        _, _, *lines = [line for line in text.splitlines() if line.startswith("|")]
        for line in lines:
            number, behaviour, lab, files, checks = line.strip("| ").split(" | ")
            assert re.fullmatch(r"`[\w./]+`(, `[\w./]+`)*", files), line
            found.append(Row(document, int(number), behaviour, int(lab),
                             re.findall(r"[\w./]+", files), checks.split(", ")))
    return found


def test_every_behaviour_of_the_documents_has_one_row() -> None:
    assert {document: [row.number for row in rows() if row.document == document]
            for document in DOCUMENTS} == {
        document: list(range(1, count + 1)) for document, count in DOCUMENTS.items()}
    assert len(rows()) == sum(DOCUMENTS.values()) == 109
    assert max(Counter(row.behaviour for row in rows()).values()) == 1


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.document} {row.number}")
def test_a_row_names_what_there_is(row: Row) -> None:
    """One of its checks is the lab's own. A file is the lab's, or common/'s."""
    directory = lab_directory(ROOT, row.lab)
    for file in row.files:
        assert ((ROOT if file.startswith("common/") else directory) / file).is_file(), file
    known = {check.id for number in check_files() for check in load(number)}
    assert set(row.checks) <= known and len(set(row.checks)) == len(row.checks)
    assert any(check.startswith(f"T{row.lab}.") for check in row.checks)
