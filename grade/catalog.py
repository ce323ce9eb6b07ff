"""Which labs there are, and which checks they have."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from grade.check import REGISTRY, BadCheck, Check, lab_problems
from grade.errors import CannotGrade
from grade.tree import labs

HERE = Path(__file__).resolve().parent
FILE = re.compile(r"test_lab([1-9])_\w+\.py")


def check_files(directory: Path | None = None) -> dict[int, Path]:
    """The file of checks of each lab. RUNG_CHECKS names another directory of them."""
    directory = directory or Path(os.environ.get("RUNG_CHECKS") or HERE)
    found: dict[int, Path] = {}
    for path in sorted(directory.glob("test_lab[1-9]_*.py")):
        match = FILE.fullmatch(path.name)
        if match and found.setdefault(int(match[1]), path) != path:
            raise BadCheck(f"two files of checks for lab {match[1]}: "
                           f"{found[int(match[1])].name} and {path.name}")
    return found


def load(number: int) -> list[Check]:
    """Read the checks of a lab, once, and make sure that they are sound."""
    path = check_files().get(number)
    if path:
        _import(path)
    checks = REGISTRY.of_lab(number)
    problems = lab_problems(checks) if checks else []
    if problems:
        raise BadCheck(f"lab {number}: " + "; ".join(problems))
    return checks


def named_checks(number: int, tests: Iterable[str] | None) -> list[Check]:
    """The checks of a lab with these ids, and those of these exercises; or all of them."""
    checks = REGISTRY.of_lab(number)
    if not checks:
        raise CannotGrade(f"there are no checks for lab {number}; "
                          f"there are for: {_numbers(check_files())}")
    if tests is None:
        return checks
    wanted = set(tests)
    unknown = sorted(wanted.difference(*({check.id, check.exercise} for check in checks)))
    if unknown:
        listed = "\n".join(f"  {check.id:6} {check.title}" for check in checks)
        raise CannotGrade(f"lab {number} has no check {', '.join(unknown)}; it has:\n{listed}")
    return [check for check in checks if wanted & {check.id, check.exercise}]


def lab_name(number: int) -> str:
    """What a lab is called that is nowhere to be seen: as its checks are, lab2-paging."""
    return check_files()[number].stem[len("test_"):].replace("_", "-")


def gradable(tree: Path) -> list[int]:
    """The labs that the tree holds and that have checks."""
    return sorted(labs(tree).keys() & check_files().keys())


def _numbers(labs: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(labs)) or "none"


def _import(path: Path) -> None:
    """Import under the name that pytest uses, so that both mean the same module."""
    name = f"grade.{path.stem}" if path.parent == HERE else path.stem
    if name in sys.modules:
        return
    if path.parent == HERE:
        importlib.import_module(name)
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
