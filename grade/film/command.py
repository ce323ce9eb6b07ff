"""`make film`: which scenes of which lab, from which tree; films and pages are written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grade.errors import CannotGrade, printable
from grade.film import against, page
from grade.film.film import Json, Request, plain, unfilmed
from grade.film.scenes import Scene, of_lab
from grade.film.stage import stage
from grade.lab import Lab
from grade.machine.setup import Setup
from grade.options import Options
from grade.outcome import Failure
from grade.run import FULL, bounded, ready_lab
from grade.tree import ROOT

OUT = ROOT / "build" / "film"
DONE, ENDS_IN_A_FAULT = 0, 1


@dataclass(frozen=True)
class Made:
    """A scene, and what came of it: a film, or the reason why there is none."""

    scene: Scene
    film: Json | None
    problem: list[str]

    @property
    def good(self) -> bool:
        return self.film is not None and self.film["ending"]["kind"] == "complete"


def command(out: Path = OUT) -> int:
    """Do what the environment asks for, where make puts what was typed."""
    options = Options.from_environment(out=str(out))
    number = options.labs()[-1]
    chosen = chosen_scenes(number, os.environ.get("SCENE", ""))
    lab = the_lab(options, number)
    if lab is None:
        return ENDS_IN_A_FAULT
    request = Request(options.source or "this tree", options.seed)
    comparing = compared(os.environ.get("AGAINST", ""))
    made: list[Made] = []
    for scene in chosen:
        new = make(scene, lab, request)
        if comparing and new.film:
            found = against.compare(new.film)
            new.film["against"] = {**(found or {}), "words": against.sentence(found, new.film)}
        tell(new, write(new, number, out), made[-1].problem if made else [])
        made.append(new)
    if len(made) > 1:
        listing = out / f"lab{number}.html"
        listing.write_text(page.listing(number, request, [
            (each.scene, each.film, each.problem) for each in made]), encoding="utf-8")
        say(f"All of them: {shown(listing)}")
    return DONE if all(each.good for each in made) else ENDS_IN_A_FAULT


def chosen_scenes(number: int, name: str) -> list[Scene]:
    """The scene that SCENE= names, or all of the lab's."""
    known = of_lab(number)
    if not name:
        return known
    found = [each for each in known if each.name == name]
    if not found:
        listed = "\n".join(f"  {each.name:12} {each.title}" for each in known)
        raise CannotGrade(f"lab {number} has no scene {printable(name)}; it has:\n{listed}")
    return found


def compared(word: str) -> bool:
    """Whether the film is to be compared with the reference's."""
    if word not in ("", "reference"):
        raise CannotGrade(f"AGAINST={printable(word)}: a film can be compared with the "
                          "reference's alone: AGAINST=reference")
    return bool(word)


def the_lab(options: Options, number: int) -> Lab | None:
    """The lab, built. None, with the compiler's words, if it does not build."""
    submission = options.submission
    if number not in submission.labs:
        raise CannotGrade(f"there is no lab {number} in the tree")
    lab, outcome, errors = ready_lab(submission, number, options)
    if lab is None:
        say(f"{outcome.value}: {outcome.sentence}")
        for line in errors:
            say("  " + line)
    return lab


def make(scene: Scene, lab: Lab, request: Request) -> Made:
    """Shoot one scene. A kernel that does not come to its beginning gives no film, but a reason."""
    try:
        with bounded(FULL), stage(lab, scene.programs) as place:
            film = scene.shoot(place, scene.goal)
            return Made(scene, plain(film, scene, lab, request), [])
    except Failure as failure:
        return Made(scene, None, unfilmed(scene, failure))


def write(made: Made, number: int, out: Path) -> Path | None:
    """The film as data and as a page. What an older run left under these names goes."""
    out.mkdir(parents=True, exist_ok=True)
    base = out / f"lab{number}-{made.scene.name}"
    for suffix in (".json", ".html"):
        base.with_suffix(suffix).unlink(missing_ok=True)
    if made.film is None:
        return None
    base.with_suffix(".json").write_text(json.dumps(made.film, indent=1), encoding="utf-8")
    base.with_suffix(".html").write_text(page.page(made.film), encoding="utf-8")
    return base.with_suffix(".html")


def tell(made: Made, written: Path | None, before: list[str]) -> None:
    """A line for each scene, and why where it is not as it should be; the same reason once."""
    if made.film is None and made.problem == before:
        say(f"{made.scene.name}: no film, for the same reason")
        return
    if made.film is None:
        say(f"{made.scene.name}: no film, since the kernel does not come to its beginning:")
        for line in made.problem:
            say("  " + line)
        return
    ending, steps = made.film["ending"], len(made.film["steps"])
    assert written
    say(f"{made.scene.name}: {steps} steps, {shown(written)}")
    if "against" in made.film:
        say(f"  {made.film['against']['words']}")
    if not made.good:
        say(f"  It ends early: {ending['words']}")
        say(f"  Expected: {ending['expected']}")
        for line in ending.get("details", [])[:6]:
            say("    " + line)
        if ending.get("hint"):
            say(f"  Hint: {ending['hint']}")


def shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def say(words: str) -> None:
    print("\n".join(map(printable, words.splitlines())), flush=True)


def main(arguments: Sequence[str] = ()) -> int:
    """With make's variables; --out is for tests."""
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else OUT
    Setup().saved()
    return command(out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
