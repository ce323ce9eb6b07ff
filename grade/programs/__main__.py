"""Makes the hostile programs, and lists them: what each tries, and how it ends.

    make run LAB=4 PROGRAM=build/programs/hostile/int-n.elf ARGS=3
    make run LAB=3 PROGRAM=build/programs/hostile/int-n-int80.elf ARGS=3
    make run LAB=5 PROGRAM=build/programs/hostile/fork-bomb.elf"""

from __future__ import annotations

from grade.programs.linux import incomparable
from grade.programs.suite import BUILT, Run, hostile_suite, purpose, sources
from grade.tree import ROOT


def row(name: str, about: str, runs: list[Run]) -> str:
    ends = ", ".join(dict.fromkeys(run.fate.end for run in runs))
    few = ends if len(ends) < 30 else f"{ends.split(',')[0]}, …"
    reason = next(filter(None, map(incomparable, runs)), "")
    return (f"{name:16} {len(runs):3}  lab {runs[0].first_lab}  {few:22} {about}"
            + (f" (Not on Linux: {reason}.)" if reason else ""))


def main() -> None:
    suite = hostile_suite()
    print(f"{len(suite)} runs. The files are in {BUILT.relative_to(ROOT)}, NAME.elf and "
          "NAME-int80.elf.\n")
    for source in sources():
        runs = [run for run in suite if run.name == source.stem]
        print(row(source.stem, purpose(source), runs))


if __name__ == "__main__":
    main()
