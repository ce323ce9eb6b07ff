"""The film's page: one file that needs nothing else, and in which nothing of a kernel is markup.

The film goes in as data; the script makes text of it, and never markup. A browser is told to run
this script and no other, by its hash."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from grade.errors import printable
from grade.film.scenes import Scene

FACE = Path(__file__).resolve().parent / "face"
# What could end a script element, or a line of JavaScript.
UNSAFE = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def page(film: dict[str, Any]) -> str:
    """The page of one film."""
    return _render("film.html", film=harmless(film), data=embedded(film), script=_text("film.js"))


def listing(number: int, request: Any, made: Sequence[tuple[Scene, Any, list[str]]]) -> str:
    """The page that lists a lab's films, those that could not be made as well."""
    rows = [{"name": scene.name, "title": scene.title, "about": scene.about,
             "steps": len(film["steps"]) if film else 0, "ending": film["ending"] if film else None,
             "problem": [printable(line) for line in problem]} for scene, film, problem in made]
    return _render("list.html", lab=number, tree=printable(request.tree), seed=request.seed,
                   rows=harmless(rows), script="")


def embedded(film: dict[str, Any]) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(harmless(film), separators=(",", ":")).translate(UNSAFE)


def harmless(data: Any) -> Any:
    """The same with every text printable: no control characters, nothing that turns the direction
    of writing."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {printable(key): harmless(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [harmless(each) for each in data]
    return data


def _text(name: str) -> str:
    return (FACE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a browser is told of what it may run (Content Security Policy, level 2)."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _render(template: str, script: str, **values: Any) -> str:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FACE), autoescape=True,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True)
    style = _text("film.css")
    return environment.get_template(template).render(
        style=style, style_hash=_hash(style), script=script,
        script_hash=_hash(script) if script else "'none'", **values)
