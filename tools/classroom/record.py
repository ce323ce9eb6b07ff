"""The record of a submission, and the key that says what it was made from."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grade import intake, toolchain
from grade.errors import printable
from grade.results import replace_file
from grade.tree import ROOT
from tools.classroom.plan import Plan

DIRECTORY = "records"
RECORD_FORMAT = 1
GRADED, PROBLEM, LATE = "graded", "cannot be graded as it is", "out of time"
PARTS = ("grade", "common", "tools/versions")
NOT_GRADER = {"tests", "bugs", "film", "build", "__pycache__"}
TOOLS = ("gcc", "ld", "nasm", "qemu-system-x86_64")


def path_of(plan: Plan, label: str) -> Path:
    return plan.place / DIRECTORY / f"{label}.json"


def read(plan: Plan, label: str) -> dict[str, Any] | None:
    """The record, if there is one that is whole and of this version."""
    try:
        told = json.loads(path_of(plan, label).read_text())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("version") == RECORD_FORMAT else None


def write(plan: Plan, label: str, record: Mapping[str, Any]) -> None:
    """Put it in its place, whole."""
    path = path_of(plan, label)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(record, indent=1) + "\n")


def key(plan: Plan, student: str, content: str) -> str:
    """What a result is made from; two records of one key tell the same."""
    made_from = [content, plan.grader, plan.seed(student), plan.lab, plan.tests, plan.cc, plan.opt,
                 plan.sandbox]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def numbers(plan: Plan) -> list[int]:
    from grade.catalog import check_files
    return [plan.lab] if plan.lab else sorted(check_files())


def content_of(tree: Path, plan: Plan) -> tuple[str, intake.Look]:
    """What is accepted of a tree, in one word. Raises BadSubmission."""
    look = intake.look_at(tree, numbers(plan))
    return intake.content(look.files), look


@functools.lru_cache(maxsize=None)
def grader() -> str:
    """The grader's content and its tools' versions, in one word."""
    digest = hashlib.sha256()
    for part in PARTS:
        top = ROOT / part
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = path.relative_to(ROOT)
            if path.is_file() and not NOT_GRADER & set(inside.parts) and path.suffix != ".md":
                data = path.read_bytes()
                digest.update(f"{inside} {len(data)}\n".encode() + data)
    for name in TOOLS:
        program = toolchain.tool(name) if name in ("gcc", "ld") else name
        if shutil.which(program):
            digest.update(subprocess.run([program, "--version"], stdin=subprocess.DEVNULL,
                                         capture_output=True).stdout)
    return digest.hexdigest()


def before(old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a new record keeps of the one that it takes the place of."""
    if not old:
        return None
    return {"end": old["end"], "score": old["score"], "maximum": old["maximum"],
            "seed": old["seed"]}


def without_details(results: dict[str, Any]) -> dict[str, Any]:
    """Results as far as a class is told of them."""
    for lab in results["labs"]:
        for check in lab["checks"]:
            check.pop("details", None)
    return results


def plain(words: str) -> str:
    return printable(words).strip()


def told(words: str, plan: Plan, place: Path) -> str:
    """Words for a student, who is to read nothing of where we keep things; they are the same each
    time."""
    unpacked = re.escape(f"{place}/tree/") + r"\d+"
    for path in (unpacked, re.escape(str(place)), re.escape(plan.submissions)):
        words = re.sub(f"{path}/", "", words)
        words = re.sub(path, "what was handed in", words)
    return plain(words)
