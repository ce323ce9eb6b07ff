"""A film as plain data: what the recorder saw, in the form of grade/schema/film.schema.json.

Addresses and values are strings of hexadecimal digits, since no number of JSON's holds 64 bits.
State n is what the machine is after step n; registers are given as changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grade.film.causes import likely_cause
from grade.film.places import Places
from grade.film.recorder import Recorder, Step
from grade.film.scenes import Scene
from grade.film.sentences import gs_owner
from grade.film.spaces import OFF
from grade.film.stage import PROGRAMS
from grade.intake import COMMON
from grade.lab import Lab
from grade.machine.forensics import vector_name
from grade.machine.gdbremote import GENERAL, Registers
from grade.outcome import Failure

FORMAT = 1
SHOWN = (*GENERAL, "rip", "rflags", "cs", "ss", "cr0", "cr2", "cr3", "cr4", "efer", "fs_base",
         "gs_base", "k_gs_base")
AROUND = 14  # lines of source above and below those that ran
LONGEST_LINE = 400
ASSEMBLY = (".asm", ".inc")
Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a film was made from, as its page says it."""

    tree: str
    seed: int


def plain(film: Recorder, scene: Scene, lab: Lab, request: Request) -> Json:
    """The whole film."""
    code = _code(film)
    steps = [_step(step, film) for step in film.steps]
    return {
        "format": FORMAT, "lab": lab.number, "scene": scene.name, "title": scene.title,
        "about": scene.about, "tree": request.tree, "seed": request.seed,
        "start": {name: f"{getattr(film.start, name):x}" for name in SHOWN},
        "points": _points(film.start, SHOWN, film.places),
        "first": {"tables": film.first_space.name if film.first_space else OFF,
                  "stack": film.first_stack.name if film.first_stack else ""},
        "steps": steps, "landmarks": landmarks(film.steps, code, film),
        "code": code, "sources": _sources(code, lab),
        "stacks": [{"name": each.name, "owner": each.owner, "bottom": f"{each.bottom:x}",
                    "top": f"{each.top:x}",
                    "older": {f"{va:x}": _older(value, film.places)
                              for va, value in film.older[each.name].items()}}
                   for each in film.stacks.values()],
        "watched": [{"name": each.name, "va": f"{each.va:x}", "value": film.watched_at_start(each)}
                    for each in film.watched],
        "spaces": [{"name": each.name, "owner": each.owner, "root": f"{each.root:x}",
                    "maps": each.maps} for each in film.spaces.found.values()],
        "ending": _ending(film),
    }


def _older(value: int, places: Places) -> Json:
    """A word from before the film; an address in code is likely to be one of return."""
    pointer = places.pointer(value)
    returns = "code" in places.area(value).name and "+" in pointer
    return {"value": f"{value:x}", "what": f"return to {pointer}" if returns else ""}


def _step(step: Step, film: Recorder) -> Json:
    before, after = step.before, step.after
    found: Json = {
        "at": f"{step.instruction.address:x}", "say": step.say,
        "set": {name: f"{getattr(after, name):x}" for name in SHOWN
                if getattr(before, name) != getattr(after, name)},
        "ring": after.cpl, "tables": step.tables, "gs": _gs(after, film),
        "stack": step.stack.name if step.stack else "", "interrupts": after.rflags >> 9 & 1,
        "owner": film.places.owner(step.instruction.address), "depth": step.depth,
        "areas": _areas(step, film),
    }
    points = _points(after, found["set"], film.places)
    if points:
        found["points"] = points
    if step.names:
        found["names"] = step.names
    if step.writes:
        found["writes"] = [
            {"va": f"{each.va:x}", "value": f"{each.value:x}", "what": each.label.what,
             "who": each.label.who, "stack": each.stack, "changed": each.before != each.value}
            for each in step.writes]
    if step.reads:
        found["reads"] = [f"{each.va:x}" for each in step.reads]
    if step.delivered or step.events:
        found["events"] = [
            {"vector": each.vector, "name": vector_name(each.vector), "error": f"{each.error:x}",
             "kind": "int" if each.software else "device" if each.hardware else "exception",
             **({"cr2": f"{each.cr2:x}"} if each.cr2 is not None else {})}
            for each in step.events]
    for name, value in (("over", step.over), ("cut", step.cut), ("fault", step.fault)):
        if value:
            found[name] = value
    if step.times > 1:
        found["times"] = step.times
    return found


def _points(regs: Registers, names: Iterable[str], places: Places) -> dict[str, str]:
    """What the values of registers point to, where they look like addresses."""
    found = {name: places.pointer(getattr(regs, name)) for name in names if name in GENERAL}
    return {name: words for name, words in found.items() if words}


def _areas(step: Step, film: Recorder) -> dict[str, str]:
    """In which part of its address space the machine is, and what this step has touched."""
    places, after = film.places, step.after
    found = {"rip": places.area(after.rip).name, "rsp": places.area(after.rsp - 8).name}
    reads = [each.va for each in step.reads]
    if reads:
        found["read"] = places.area(reads[0]).name
    if step.writes and not step.over and not step.cut:
        found["write"] = places.area(step.writes[0].va).name
    missed = next((each.cr2 for each in step.events if each.cr2 is not None), None)
    if missed is not None:
        found["cr2"] = places.area(missed).name
    return found


def _gs(regs: Registers, film: Recorder) -> str:
    """Whose GS base is in use; "" where no lab has given it a meaning yet."""
    return gs_owner(regs.gs_base, film) if film.places.number >= 4 else ""


def _code(film: Recorder) -> dict[str, Json]:
    """Each instruction that ran: by address, with function, file and line."""
    kernel, program = film.places.symbols, film.places.program
    steps = {step.instruction.address: step for step in film.steps if not step.cut}
    users = [va for va in steps if program and film.places.owner(va) == "program"]
    kernel.load_lines(va for va in steps if va not in set(users))
    if program:
        program.load_lines(users)
    found = {}
    for va, step in steps.items():
        symbols = program if program and va in users else kernel
        file, _, line = symbols.line(va).rpartition(":")
        found[f"{va:x}"] = {"function": film.places.function(va), "text": _text(step, film.places),
                            "file": file, "line": int(line) if line.isdecimal() else 0}
    return found


def _text(step: Step, places: Places) -> str:
    """The instruction; where it jumps to by name."""
    instruction = step.instruction
    if instruction.mnemonic == "call" or instruction.mnemonic.startswith("j"):
        target = instruction.operands[0].immediate if instruction.operands else None
        if target is not None:
            return f"{instruction.mnemonic} {places.function(target % (1 << 64))}"
    return instruction.text


def _sources(code: dict[str, Json], lab: Lab) -> dict[str, Json]:
    """The text around the lines that ran, file by file."""
    wanted: dict[str, list[int]] = {}
    for each in code.values():
        if each["file"] and each["line"]:
            wanted.setdefault(each["file"], []).append(each["line"])
    found = {}
    for name, lines in sorted(wanted.items()):
        path = _find(name, lab)
        if path is None:
            continue
        text = path.read_text(errors="replace").split("\n")
        first = max(1, min(lines) - AROUND)
        found[name] = {"path": _shown(path, lab), "first": first,
                       "lines": [line[:LONGEST_LINE]
                                 for line in text[first - 1:max(lines) + AROUND]]}
    return found


def _find(name: str, lab: Lab) -> Path | None:
    """The file of a name in the debug information. It comes from a kernel: it stays a plain name,
    and is looked for where sources are, and nowhere else."""
    if name != Path(name).name:
        return None
    places: Iterable[Path] = (lab.directory, COMMON / "kernel", COMMON / "include", PROGRAMS)
    return next((place / name for place in places if (place / name).is_file()), None)


def _shown(path: Path, lab: Lab) -> str:
    return f"{path.parent.name}/{path.name}"


def landmarks(steps: list[Step], code: dict[str, Json], film: Recorder) -> list[Json]:
    """The steps that a person jumps to: where a switch of the machine is moved, where the processor
    delivers something, where assembly calls C."""
    found: list[Json] = []

    def add(number: int, kind: str, words: str) -> None:
        found.append({"step": number, "kind": kind, "words": words})

    before = film.start
    space, stack = film.first_space, film.first_stack
    for number, step in enumerate(steps):
        after = step.after
        if step.cut:
            add(number, "cut", step.cut)
        if step.delivered:
            add(number, "event", vector_name(step.events[-1].vector))
        if before.cpl != after.cpl:
            add(number, "ring", f"ring {before.cpl} → {after.cpl}")
        if space is not step.space:
            add(number, "tables", step.tables)
        if _gs(before, film) != _gs(after, film):
            add(number, "gs", f"GS: {_gs(after, film)}")
        if step.stack and (stack is None or stack.name != step.stack.name):
            add(number, "stack", step.stack.name)
        if (before.rflags ^ after.rflags) >> 9 & 1:
            add(number, "interrupts", f"interrupts {'on' if after.rflags >> 9 & 1 else 'off'}")
        if step.instruction.mnemonic == "call" and not step.delivered:
            called = step.over or film.places.function(after.rip)
            if code[f"{step.instruction.address:x}"]["file"].endswith(ASSEMBLY):
                add(number, "call", called.split("+")[0])
        if step.entry:
            add(number, "entry", step.entry)
        if step.fault:
            add(number, "fault", "here it goes wrong")
        before, space, stack = after, step.space, step.stack
    return found


def _ending(film: Recorder) -> Json:
    """How the film ends: as it should, or in a fault, with the cause in words."""
    over = film.ended
    if over is None:
        return {"kind": "complete", "words": film.goal}
    failure = over.failure
    if failure is None:
        return {"kind": "cut", "words": over.seen, "expected": film.goal}
    return {"kind": "fault", "class": failure.outcome.value, "words": failure.seen,
            "expected": failure.expected or film.goal,
            "hint": failure.hint or likely_cause(film),
            "details": list(failure.details)}


def unfilmed(scene: Scene, failure: Failure) -> list[str]:
    """Why a scene cannot begin, in words."""
    return [failure.seen, *failure.details, *([failure.hint] if failure.hint else [])]
