"""The table of attacks names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_every_attack_has_its_tests() -> None:
    rows = [line.split("|") for line in (TESTS / "attacks.md").read_text().splitlines()
            if line.startswith("| ")]
    assert len(rows) > 30
    for row in rows[1:]:
        named = re.findall(r"`(\w+/\w+\.py)::(\w+)`", row[3])
        assert named, row
        for path, test in named:
            body = ast.parse((TESTS / path).read_text()).body
            assert test in {each.name for each in body if isinstance(each, ast.FunctionDef)}, test
