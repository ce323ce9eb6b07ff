"""A film beside the reference's: how far both go the same way, and what each does then.

Instructions differ between two good kernels. What must not is the order in which the machine's
switches are moved: rings, tables, GS, stacks, and interrupts where assembly does it. Of the
reference reference.json has no more than that: no source, and no instruction of a solution."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

REFERENCE = Path(__file__).resolve().parent / "reference.json"
ALWAYS = ("event", "ring", "tables", "gs", "stack")
BY_ASSEMBLY = ("interrupts", "call")
ASSEMBLY = (".asm", ".inc")
BY_SEED = ("nmi",)  # scenes that the seed makes different


class Mark(NamedTuple):
    """A landmark that two films can have in common, and the step at which it is."""

    kind: str
    words: str
    step: int = 0

    def same(self, other: Mark) -> bool:
        return (self.kind, self.words) == (other.kind, other.words)


def marks(film: dict[str, Any]) -> list[Mark]:
    """The landmarks of a film that are compared."""
    found = []
    for each in film["landmarks"]:
        at = film["steps"][each["step"]]["at"]
        file = film["code"].get(at, {"file": ""})["file"]
        by_hand = file.endswith(ASSEMBLY) or film["steps"][each["step"]].get("events")
        if each["kind"] in ALWAYS or (each["kind"] in BY_ASSEMBLY and by_hand):
            found.append(Mark(each["kind"], each["words"], each["step"]))
    return found


def reference(film: dict[str, Any]) -> list[Mark] | None:
    """The reference's landmarks of the same scene; None if there are none to compare with."""
    known = json.loads(REFERENCE.read_text(encoding="utf-8"))
    found = known.get(f"lab{film['lab']}-{film['scene']}")
    return None if found is None else [Mark(*each) for each in found]


def compare(film: dict[str, Any]) -> dict[str, Any] | None:
    """How many landmarks are equal; and, if not all are, what the reference does next, and what
    this film does, at which step."""
    theirs, ours = reference(film), marks(film)
    if theirs is None:
        return None
    equal = 0
    while equal < min(len(theirs), len(ours)) and theirs[equal].same(ours[equal]):
        equal += 1
    found: dict[str, Any] = {"equal": equal, "of": len(theirs)}
    if equal < max(len(theirs), len(ours)):
        found["reference"] = theirs[equal].words if equal < len(theirs) else "has come to its end"
        found["yours"] = ours[equal].words if equal < len(ours) else "has come to its end"
        found["step"] = ours[equal].step if equal < len(ours) else len(film["steps"]) - 1
    return found


def sentence(found: dict[str, Any] | None, film: dict[str, Any]) -> str:
    """The comparison in words."""
    if found is None:
        return "The reference's film of this scene is another with each seed: it is not compared."
    if "step" not in found:
        return f"As the reference: all {found['equal']} landmarks are equal."
    step = film["steps"][found["step"]]
    code = film["code"].get(step["at"], {"file": "", "line": 0, "function": ""})
    place = f"{code['file']}:{code['line']}" if code["file"] else code["function"]
    return (f"{found['equal']} landmarks are equal; then the reference: {found['reference']}; "
            f"yours: {found['yours']} (step {found['step'] + 1}, {place}).")
