"""Drawings of a kernel, made from a run of it and from its debug information.

They are made of the kernel in this tree, whatever it is by now. What cannot be drawn yet, since the
kernel does not come so far, is a sentence instead.
"""

from __future__ import annotations

import functools
import html
from dataclasses import dataclass
from random import Random

from grade import tree
from grade.build import build
from grade.errors import BuildFailed
from grade.lab import Lab
from grade.machine.layout import numbers
from grade.machine.paging import Mapping
from grade.machine.structures import structure
from grade.outcome import Failure
from grade.tree import ROOT

ROW, WORD, LEFT = 20, 8.2, 12  # height of a row, width of a letter, margin
MOST_ROWS = 40
SEED = 1


@dataclass(frozen=True)
class Row:
    """A line of a drawing: a class for its colour, and its words in columns."""

    kind: str
    cells: tuple[str, ...]


def figure(what: str) -> str:
    """What the book shows at a place: `address-space LAB`, or `struct LAB NAME`."""
    kind, lab, *names = what.split()
    try:
        if kind == "struct":
            rows, words = struct(int(lab), *names)
        else:
            rows, words = address_space(int(lab))
    except (Failure, BuildFailed) as failure:
        reason = failure.seen if isinstance(failure, Failure) else "it does not build"
        return f"*(Here is a drawing as soon as the kernel comes so far. Now: {reason})*"
    title = ("The same, as the compiler has it." if kind == "struct"
             else "The address space, as a run has it.")
    return "\n".join(["```{raw} html", f'<figure class="rung-wide"><p><strong>{title}</strong></p>',
                      table(rows),
                      f"<figcaption>{html.escape(words)}</figcaption></figure>", "```"])


@functools.cache
def built(number: int) -> Lab:
    """The lab, with its kernel built where make builds it."""
    directory = tree.lab_directory(ROOT, number)
    lab = Lab(ROOT, directory, build(directory, ROOT / "build" / directory.name), SEED)
    lab.prepare()
    return lab


# ---- Address spaces


def address_space(number: int) -> tuple[list[Row], str]:
    """All that the tables in use map, when the kernel is ready or enters ring 3 for the first
    time; in lab 6 also whether the shadow maps it."""
    place = "enter_usermode" if number > 2 else "kernel_ready"
    lab = built(number)
    with lab.boot(rng=Random(SEED)) as machine:
        machine.run_to(place)
        cr3 = machine.regs.cr3
        mappings = machine.memory.mappings
        shadow = {page.va for page in mappings(cr3 ^ 0x1000)} if number == 6 else None
        found = joined(mappings(), shadow)
    rows = [Row("head", ("address", "size", "rights", "what")
                + (("ring 3's table",) if shadow else ()))]
    for page, seen in reversed(found):
        name = region(page.va)
        cells = (f"{page.va:016x}", amount(page.size), rights(page), name)
        rows.append(Row(name.split()[0] if name else "", cells
                        + (("the same" if seen else "-",) if shadow else ())))
    return rows[:MOST_ROWS], (f"Made from a run of lab {number} with 64 MiB, stopped at {place}. "
                              "The highest address is above.")


def joined(pages: list[Mapping], shadow: set[int] | None) -> list[tuple[Mapping, bool]]:
    """Neighbours with equal rights made one, whatever frames they have."""
    found: list[tuple[Mapping, bool]] = []
    for page in sorted(pages):
        seen = shadow is not None and page.va in shadow
        if found and found[-1][0].end == page.va and found[-1][0][3:7] == page[3:7] \
                and found[-1][1] == seen and region(found[-1][0].va) == region(page.va):
            found[-1] = (found[-1][0]._replace(size=found[-1][0].size + page.size), seen)
        else:
            found.append((page, seen))
    return found


def region(va: int) -> str:
    """What lies at an address, by layout.h."""
    known = numbers()
    if va < known["USER_END"]:
        stack = known["USER_STACK_LIMIT"] <= va < known["USER_STACK_TOP"]
        return "program's stack" if stack else "program" if va >= known["PROGRAM_BASE"] \
            else "low memory"
    for name, base in (("entry area", "TRAMPOLINE_VADDR"), ("image", "KERNEL_BASE"),
                       ("kernel stacks", "KERNEL_STACKS_BASE"), ("window", "WINDOW_BASE")):
        if va >= known.get(base, 1 << 64):
            return name
    return ""


def rights(page: Mapping) -> str:
    return ("r" + ("w" if page.writable else "-") + ("x" if page.executable else "-")
            + (" u" if page.user else ""))


def amount(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit and not size % unit:
            return f"{size // unit} {name}"
    return f"{size // 1024} KiB"


# ---- Structures


def struct(number: int, name: str) -> tuple[list[Row], str]:
    """A structure as the compiler has laid it out, the highest address above, as on a stack."""
    found = structure(built(number).kernel, name, "process.c")
    rows = [Row("head", ("offset", "field"))]
    rows += [Row("field", (f"+ {field.offset}", each)) for each, field in sorted(
        found.fields.items(), key=lambda pair: -pair[1].offset)]
    return rows, (f"struct {name}, {found.size} bytes, from the debug information of lab "
                  f"{number}'s kernel. The highest address is above, as on the stack.")


# ---- SVG


def table(rows: list[Row]) -> str:
    """Rows of text in columns, as SVG; book.css has the colours."""
    widths = [max(len(row.cells[column]) for row in rows) * WORD + 18
              for column in range(len(rows[0].cells))]
    width, height = sum(widths) + 2 * LEFT, len(rows) * ROW + 8
    parts = [f'<svg class="rung-table" role="img" width="{width:.0f}" height="{height}" '
             f'viewBox="0 0 {width:.0f} {height}" xmlns="http://www.w3.org/2000/svg">']
    for number, row in enumerate(rows):
        y = number * ROW + 4
        parts.append(f'<rect class="{html.escape(row.kind)}" x="{LEFT / 2}" y="{y}" '
                     f'width="{width - LEFT:.0f}" height="{ROW}"/>')
        x = float(LEFT)
        for cell, column in zip(row.cells, widths):
            parts.append(f'<text class="{html.escape(row.kind)}" x="{x:.0f}" y="{y + 14}">'
                         f"{html.escape(cell)}</text>")
            x += column
    return "".join([*parts, "</svg>"])
