"""Which file calls which: a drawing for each lab, and a table of all its files.

A module is a .c or .asm file with the header of its name. One module uses another if it mentions a
function, a variable or a label that the other one defines and lets others see. The drawing has
what the lab adds or changes, with its neighbours; what earlier labs' modules do among themselves is
in the maps of their labs. What every lab is given (common/) is used nearly everywhere, and left
out.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from grade.tree import ROOT, lab_directory
from tools.book import sources
from tools.command import Refusal
from tools.tree import SOURCES

NOISE = {"c": re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\])'", re.S),
         "nasm": re.compile(r";.*$|\"[^\"\n]*\"", re.M)}
FUNCTION = re.compile(r"^(?!static\b|typedef\b|#)\w[\w \t*]*?\b(\w+)\([^;{}]*?\)\s*\{", re.M)
VARIABLE = re.compile(r"^(?!static\b|extern\b|typedef\b|_Static|#)\w[\w \t*]*?\b(\w+)"
                      r"(?:\[[^\]\n]*\])*(?: = [^;]*)?;$", re.M)
GLOBAL = re.compile(r"^\s*global\s+(.+)$", re.M)
INCLUDED = re.compile(r'^[#%]include "([^"]+)"', re.M)
WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Module:
    """A source of a lab's directory: what it defines for others, and every word in its code."""

    name: str
    file: Path  # relative to the tree, symlinks followed
    own: bool  # the lab adds or changes it
    defines: frozenset[str]
    words: frozenset[str]
    includes: frozenset[str]


@functools.cache
def modules(number: int) -> dict[str, Module]:
    found = {}
    directory = lab_directory(ROOT, number)
    for path in sorted(directory.iterdir()):
        language = SOURCES.get(path.suffix)
        if language and path.suffix != ".h":
            text = NOISE[language].sub(" ", without_includes := path.read_text())
            found[path.name] = Module(
                path.name, path.resolve().relative_to(ROOT), not path.is_symlink(),
                frozenset(defined(text, language)), frozenset(WORD.findall(text)),
                frozenset(INCLUDED.findall(without_includes)))
    return found


def defined(text: str, language: str) -> set[str]:
    if language == "nasm":
        return {name for line in GLOBAL.findall(text) for name in WORD.findall(line)}
    return {*FUNCTION.findall(text), *VARIABLE.findall(text)}


@functools.cache
def uses(number: int) -> dict[str, set[str]]:
    """For each module, those of the lab's that it uses."""
    home = {name: module.name for module in modules(number).values() for name in module.defines}
    found = {}
    for module in modules(number).values():
        used = {home[word] for word in module.words & home.keys()}
        used |= {file for file in module.includes if file.endswith(".inc")} & modules(number).keys()
        found[module.name] = used - {module.name}
    return found


def page(number: int) -> str:
    """The drawing, and the table."""
    directory = lab_directory(ROOT, number)
    svg = draw(graph(number))
    return "\n".join([
        f"# The files of lab {number}", "",
        f"An arrow leads from a file to one whose functions or data it uses. Dark: what "
        f"[lab {number}](/{directory.name}.md) adds or changes.", *(
            ["Pale: what it uses of earlier labs, or what of them uses it."] if number > 1 else []),
        "A click on a file opens its source.", "",
        "```{raw} html", f'<div class="rung-wide">{svg}</div>', "```", "",
        "## Every file", "",
        "| file | what | uses | is used by | includes |", "|---|---|---|---|---|",
        *rows(number), ""])


def rows(number: int) -> list[str]:
    users = defaultdict(set)
    for name, used in uses(number).items():
        for other in used:
            users[other].add(name)

    def listed(names: set[str] | frozenset[str]) -> str:
        return ", ".join(f"`{name}`" for name in sorted(names))

    return [f"| [`{module.name}`](/{sources.page_name(module.file)}.md) "
            f"| {sources.purpose(module.file)} | {listed(uses(number)[module.name])} "
            f"| {listed(users[module.name])} | {listed(module.includes)} |"
            for module in modules(number).values()]


def graph(number: int) -> str:
    """The drawing in graphviz' language; book.css has the colours."""
    known = modules(number)
    edges = [(name, other) for name, used in uses(number).items() for other in sorted(used)
             if known[name].own or known[other].own]
    met = {name for name, module in known.items() if module.own} | {
        name for edge in edges for name in edge}
    lines = ["digraph {", 'rankdir=TB; bgcolor="transparent"; nodesep=0.15; ranksep=0.5;',
             'node [shape=box, style=filled, fontname="sans-serif", fontsize=11, height=0.3];',
             "edge [arrowsize=0.6];"]
    for name in sorted(met):
        kind = "own" if known[name].own else "earlier"
        lines.append(f'"{name}" [class="{kind}", tooltip="{name}", target="_top", '
                     f'URL="{sources.page_name(known[name].file)}.html"];')
    lines += [f'"{name}" -> "{other}" [class="{"own" if known[name].own else "earlier"}"];'
              for name, other in edges]
    return "\n".join([*lines, "}"])


def draw(text: str) -> str:
    """As SVG that a page takes in."""
    done = subprocess.run(["dot", "-Tsvg"], input=text, text=True, capture_output=True)
    if done.returncode:
        raise Refusal(f"graphviz could not draw a map: {done.stderr.strip()}")
    svg = done.stdout[done.stdout.index("<svg"):]
    return re.sub(r"<!--.*?-->\n?", "", svg, flags=re.S)
