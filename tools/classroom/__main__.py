"""Grade a class: make class DIR=submissions OUT=results."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grade import box
from grade.boxes import MEMORIES
from grade.build import TOOLS, compiler_words
from grade.catalog import named_checks, load
from grade.machine.setup import Setup
from grade.errors import BadSubmission, CannotGrade, printable
from grade.options import Options
from grade.results import NO_SANDBOX, alone
from tools import command
from tools.classroom import likeness, record, summary
from tools.classroom.engines import ENGINES, Engine
from tools.classroom.handed_in import HandedIn, find, tree_of
from tools.classroom.one import FAULTS, work_place
from tools.classroom.plan import DETAILS, Plan, derived_seed, read_roster, term_secret
from tools.command import Refusal

LOOK_EVERY = 0.5  # seconds
TELL_EVERY = 30.0  # in a pipe


def main() -> int:
    asked = parse()
    out = Path(asked.out).absolute()
    submissions = Path(asked.dir)
    if not submissions.is_dir():
        raise Refusal(f"DIR={asked.dir}: no such directory; it holds the submissions: directories, "
                      "archives, or git repositories, one for each student")
    out.mkdir(parents=True, exist_ok=True)
    with alone(out, lambda: say(f"Another run grades to {out}; this one waits for it.")):
        return grade_class(asked, submissions.absolute(), out)


def grade_class(asked: argparse.Namespace, submissions: Path, out: Path) -> int:
    shutil.rmtree(out / "work", ignore_errors=True)  # of a run that was killed
    shutil.rmtree(out / FAULTS, ignore_errors=True)
    everything = find(submissions)
    plan, absent = planned(asked, submissions, out, everything)
    plan.write()
    todo = to_do(plan, everything, asked.jobs)
    say(f"{len(everything)} submissions, {len(todo)} to grade.")
    if todo:
        make_sure(plan)
        engine = ENGINES[asked.engine](out, todo, asked.jobs)
        run(engine, plan, todo)
    found, undone = [], {}
    for each in everything:
        made = record.read(plan, each.label)
        if each.label in todo and not (made and up_to_date(plan, each)):
            undone[each.student] = fault_of(out, each.label)
        elif made:
            found.append(made)
    told = summary.write(plan, found, absent, near(plan, everything, asked.jobs), undone)
    return report(out, told)


def parse() -> argparse.Namespace:
    """Make's variables are in the environment; the command line may say the same."""
    given = os.environ.get
    parser = argparse.ArgumentParser(prog="tools.classroom", description=__doc__)
    parser.add_argument("dir", metavar="DIR", help="what was handed in, an entry a student")
    parser.add_argument("--out", default=given("OUT") or "results", help="where the results go")
    parser.add_argument("--jobs", type=int, default=int(given("JOBS") or os.cpu_count() or 1))
    parser.add_argument("--engine", choices=sorted(ENGINES), default=given("ENGINE") or "parallel")
    parser.add_argument("--seeds", default=given("SEEDS") or "", metavar="CSV",
                        help="the class: a column student, and perhaps a column seed")
    parser.add_argument("--secret", default=given("SECRET") or "",
                        help="the term's, of which each student's seed is made")
    parser.add_argument("--detail", choices=DETAILS, default=given("DETAIL") or "full",
                        help="how much students are shown")
    parser.add_argument("--limit", type=float, default=float(given("LIMIT") or 3600),
                        help="seconds, after which a submission is out of time")
    return parser.parse_args()


def planned(asked: argparse.Namespace, submissions: Path, out: Path,
            everything: Sequence[HandedIn]) -> tuple[Plan, list[str]]:
    """The plan, and who of the roster handed nothing in. LAB, TEST, SEED, CC, OPT and SANDBOX mean
    what they mean to make grade."""
    options = Options.from_environment()
    if options.tests:
        load(options.labs()[0])
        named_checks(options.labs()[0], options.tests)
    roster = read_roster(Path(asked.seeds)) if asked.seeds else {}
    secret = term_secret(asked.secret, out)
    one_seed = options.seed if os.environ.get("SEED") else None
    seeds = {}
    for each in everything:
        own = roster.get(each.student)
        seeds[each.student] = own if own is not None else one_seed if one_seed is not None \
            else derived_seed(secret, each.student)
    plan = Plan(str(submissions), str(out), record.grader(), options.lab, options.tests,
                options.cc, options.opt, options.sandbox, asked.detail, asked.limit, seeds)
    return plan, sorted(set(roster) - {each.student for each in everything})


def make_sure(plan: Plan) -> None:
    """What every submission needs is here, and is made once."""
    if plan.sandbox != NO_SANDBOX:
        box.require((*TOOLS, *compiler_words(plan.cc)[:1]))
    for memory in MEMORIES:
        Setup(memory=memory).saved()


def to_do(plan: Plan, everything: Sequence[HandedIn], jobs: int) -> list[str]:
    """The labels of those whose record is missing, or was made from something else."""
    with ProcessPoolExecutor(max(1, jobs)) as pool:
        fresh = pool.map(up_to_date, [plan] * len(everything), everything)
        return [each.label for each, good in zip(everything, fresh) if not good]


def up_to_date(plan: Plan, handed_in: HandedIn) -> bool:
    made = record.read(plan, handed_in.label)
    if not made:
        return False
    with work_place(plan, handed_in.label) as place:
        try:
            content, _ = record.content_of(tree_of(handed_in.path, place / "tree"), plan)
        except (BadSubmission, CannotGrade) as refusal:
            content = record.told(str(refusal), plan, place)
    return bool(made["key"] == record.key(plan, handed_in.student, content))


def run(engine: Engine, plan: Plan, todo: Sequence[str]) -> None:
    """Until the engine has done all it can, tell how far it is."""
    began, told = time.monotonic(), 0.0
    marks = {label: mark(plan, label) for label in todo}
    engine.start()
    try:
        while engine.running():
            done = sum(mark(plan, label) != before for label, before in marks.items())
            spent = time.monotonic() - began
            if sys.stdout.isatty() or spent - told > TELL_EVERY:
                tell(done, len(todo), engine.jobs, spent)
                told = spent
            time.sleep(LOOK_EVERY)
    finally:
        engine.stop()
        if sys.stdout.isatty():
            print()


def mark(plan: Plan, label: str) -> int:
    """Another number for another record."""
    try:
        return record.path_of(plan, label).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def tell(done: int, of: int, jobs: int, spent: float) -> None:
    left = f", about {spent / done * (of - done) / 60:.0f} min left" if done else ""
    words = f"{done} done, {min(jobs, of - done)} running, {max(0, of - done - jobs)} to go{left}"
    print(f"\r{words:<72}" if sys.stdout.isatty() else words,
          end="" if sys.stdout.isatty() else "\n", flush=True)


def fault_of(out: Path, label: str) -> str:
    try:
        return (out / FAULTS / f"{label}.txt").read_text().strip()
    except OSError:
        return f"its worker died; {out}/engine.log tells more"


def near(plan: Plan, everything: Sequence[HandedIn], jobs: int) -> list[likeness.Near]:
    if not likeness.is_possible():
        say("Whose sources are alike was not looked at: the package similarity-tester is missing.")
        return []
    with ProcessPoolExecutor(max(1, jobs)) as pool:
        texts = pool.map(text_of, [plan] * len(everything), everything)
        return likeness.near({each.student: text for each, text in zip(everything, texts)})


def text_of(plan: Plan, handed_in: HandedIn) -> str:
    with work_place(plan, handed_in.label) as place:
        try:
            tree = tree_of(handed_in.path, place / "tree")
        except (BadSubmission, CannotGrade):
            return ""
        return likeness.own_text(tree, record.numbers(plan))


def report(out: Path, told: dict[str, Any]) -> int:
    for end, count in sorted(told["ends"].items()):
        say(f"{count:5} {end}")
    if told["absent"]:
        say(f"{len(told['absent']):5} {summary.ABSENT_STUDENT}")
    for student, words in told["undone"].items():
        say(f"Not graded: {student}: {words}")
    say(f"{out}/class.html, class.csv, class.json; what each student is shown: {out}/students/")
    return 2 if told["undone"] else 0


def say(words: str) -> None:
    print(printable(words), flush=True)


if __name__ == "__main__":
    command.run("class", main)
