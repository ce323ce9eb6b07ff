"""What the headers say is written down once: Python has no second copy of a number that they name,
and no constant of its own in two modules."""

from __future__ import annotations

import ast
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from grade.machine import layout
from grade.tree import ROOT

OPERATORS: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.LShift: operator.lshift, ast.BitOr: operator.or_, ast.Mult: operator.mul,
    ast.Sub: operator.sub, ast.Add: operator.add}

# common/gdb/rung.py runs inside gdb, in a tree that may be without the grader.
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text()
           for top in ("grade", "tools") for path in sorted((ROOT / top).rglob("*.py"))}


class Constant(NamedTuple):
    """NAME = number, at the top of a module."""

    file: str
    name: str
    value: int

    def __str__(self) -> str:
        return f"{self.file}: {self.name} = {self.value:#x}"


def number(node: ast.expr) -> int | None:
    """The value of an expression that is nothing but numbers."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = number(node.left), number(node.right)
        if left is not None and right is not None:
            return OPERATORS[type(node.op)](left, right)
    return None


def constants(file: str, text: str) -> Iterator[Constant]:
    """Those of a module, also of `A, B = 1, 2`."""
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            pairs = [(target, statement.value)]
            if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                pairs = list(zip(target.elts, statement.value.elts))
            for name, expression in pairs:
                value = number(expression)
                if isinstance(name, ast.Name) and value is not None:
                    yield Constant(file, name.id, value)


def named_in_headers(constant: Constant) -> list[str]:
    """What the headers call a number of which a constant has the value, and the name or a part of
    it: EFAULT, WRITE (SYS_write), PAGE (PAGE_SIZE); errors also negated."""
    name = constant.name.upper()
    return [other for other, value in layout.numbers().items() if value == abs(constant.value)
            and (name == other or other.startswith(f"{name}_")
                 or other.upper().endswith(f"_{name}"))]


def copies(file: str, text: str) -> Iterator[str]:
    """Numbers of the headers that a module has written down for itself."""
    for constant in constants(file, text):
        for name in named_in_headers(constant):
            yield f"{constant}, which is layout.{name}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if key and number(key) is not None and isinstance(value, ast.Constant) and \
                        value.value in layout.numbers():
                    yield f"{file}:{node.lineno}: {ast.unparse(key)} is layout.{value.value}"
        elif isinstance(node, ast.Call):
            for value in called_numbers(node):
                yield f"{file}:{node.lineno}: system call {ast.unparse(value)} is a layout.SYS_name"


def called_numbers(call: ast.Call) -> Iterator[ast.expr]:
    """System calls by their numbers: of `ask(39, ...)`, and of `plant(rax=60, ...)`."""
    known = {value for name, value in layout.numbers().items() if name.startswith("SYS_")}
    if isinstance(call.func, ast.Attribute) and call.func.attr == "ask" and call.args:
        yield from (each for each in call.args[:1] if number(each) in known)
    yield from (each.value for each in call.keywords
                if each.arg == "rax" and number(each.value) in known - {0})


def twice() -> Iterator[str]:
    """Constants with one name and one value in two modules."""
    homes: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for file, text in SOURCES.items():
        for constant in constants(file, text):
            homes[constant.name, constant.value].append(file)
    for (name, value), files in homes.items():
        # Small numbers have many meanings: two bounds, say, that need not change together.
        if len(files) > 1 and (name, value) not in SAME_BY_CHANCE:
            yield f"{name} = {value:#x} in {', '.join(files)}"


SAME_BY_CHANCE = {
    ("CPU_LIMIT", 300): "a build's, and Bochs's, in seconds",
    ("PR_SET_PDEATHSIG", 1): "Linux's, for processes that end otherwise: one tells its status",
}


def test_no_number_of_the_headers_is_copied() -> None:
    assert [copy for file, text in SOURCES.items() for copy in copies(file, text)] == []


def test_no_constant_is_defined_twice() -> None:
    assert list(twice()) == []


@pytest.mark.parametrize("text, name", [
    ("EFAULT, EINVAL = -14, 7", "layout.EFAULT"), ("FORK = 57", "layout.SYS_fork"),
    ("LIMIT = 512", "layout.SYSCALL_LIMIT"), ("PAGE = 0x1000", "layout.PAGE_SIZE"),
    ("NO_EXECUTE = 1 << 63", "layout.PTE_NO_EXECUTE"), ("EXIT_PORT = 0xf4", "layout.EXIT_PORT"),
    ("NAMES = {11: 'SIGSEGV'}", "layout.SIGSEGV"), ("guest.ask(39)", "layout.SYS_name"),
    ("m.set_regs(rip=0, rax=60)", "layout.SYS_name")])
def test_a_copy_is_found(text: str, name: str) -> None:
    assert [name in each for each in copies("module.py", text)] == [True]


@pytest.mark.parametrize("text", ["FORK = 3", "A_YEAR = 57", "m.set_regs(rax=0)", "{1: 'one'}"])
def test_nothing_else_is(text: str) -> None:
    assert list(copies("module.py", text)) == []


def test_names_are_those_of_the_headers() -> None:
    """Also where they are written `layout.NAME`, which no other tool checks."""
    unknown = []
    for file, text in SOURCES.items():
        if "layout" not in {alias.asname or alias.name for node in ast.walk(ast.parse(text))
                            if isinstance(node, ast.ImportFrom) and node.module == "grade.machine"
                            for alias in node.names}:
            continue
        unknown += [f"{file}:{node.lineno}: {node.attr}" for node in ast.walk(ast.parse(text))
                    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                    and node.value.id == "layout" and not hasattr(layout, node.attr)]
    assert unknown == []


def test_words_of_numbers() -> None:
    assert layout.error_name(0) == "OK"
    assert layout.error_name(layout.ERROR_NO_FRAMES | 7 << 32) == "ERROR_NO_FRAMES"
    assert layout.error_name(1000) == ""
    assert layout.error_words()["ERROR_NO_FRAMES"] == "resource exhausted: physical frames"
    assert layout.signal_name(layout.SIGSEGV) == "SIGSEGV" and layout.signal_name(99) == "unknown"
    assert layout.signed((1 << 64) - layout.EFAULT) == -14 and layout.signed(5) == 5
    with pytest.raises(AttributeError, match="defines NO_SUCH_NAME"):
        getattr(layout, "NO_SUCH_NAME")
