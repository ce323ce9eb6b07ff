"""What is asked of a class, as a file that every machine reads."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grade.errors import printable
from grade.results import replace_file
from tools.command import Refusal

NAME = "plan.json"
SECRET = "secret"  # the term's, if none was given: whoever knows it knows every student's inputs
SEEDS = 1_000_000
DETAILS = ("score", "what", "full")
STUDENT = ("student", "id", "login", "username", "email")  # the first column, or one of these


@dataclass(frozen=True)
class Plan:
    """Everything that a result depends on but for the submission, and where things lie."""

    submissions: str
    out: str
    grader: str  # the content of the grader and its tools, in one word
    lab: int | None = None
    tests: tuple[str, ...] | None = None
    cc: str = "gcc"
    opt: str = "-O2"
    sandbox: str = ""
    detail: str = "full"
    limit: float = 3600.0
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        return Path(self.out)

    def seed(self, student: str) -> int:
        return self.seeds[student]

    def write(self) -> None:
        replace_file(self.place / NAME, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, out: Path) -> Plan:
        told: dict[str, Any] = json.loads((out / NAME).read_text())
        told["tests"] = tuple(told["tests"]) if told["tests"] else None
        return cls(**told)


def term_secret(given: str, out: Path) -> str:
    """The given one; or the one that this class was graded with before, or a new one."""
    if given:
        return given
    path = out / SECRET
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = secrets.token_hex(16)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made + "\n")
        return made


def derived_seed(secret: str, student: str) -> int:
    """Each student's own, which tells nothing of another's."""
    digest = hashlib.sha256(f"{secret}\0{student}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % SEEDS


def read_roster(path: Path) -> dict[str, int | None]:
    """The students of a CSV file with a heading, and the seeds of those that have one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
            columns = list(rows[0]) if rows else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refusal(f"SEEDS={path} cannot be read as CSV: {error}") from None
    if not columns:
        raise Refusal(f"SEEDS={path} holds no row; wanted is a heading, as `student,seed`, and a "
                      "row for each student")
    lower = {str(name).strip().lower(): name for name in columns}
    who = next((lower[name] for name in STUDENT if name in lower), columns[0])
    roster: dict[str, int | None] = {}
    for number, row in enumerate(rows, 2):
        student = str(row.get(who) or "").strip()
        word = str(row.get(lower.get("seed", ""), "") or "").strip()
        if not student:
            continue
        if student in roster:
            raise Refusal(f"SEEDS={path}, line {number}: {printable(student)} stands there twice")
        if word and not word.isdecimal():
            raise Refusal(f"SEEDS={path}, line {number}: a seed is a number, not "
                          f"{printable(word)}")
        roster[student] = int(word) if word else None
    return roster
