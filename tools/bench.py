"""Seconds per graded check, beside other courses' graders: make bench.

Wall times are noisy, and those of the others (tools/peers.json) were taken on another day: read
them as orders of magnitude. The first run builds what is missing and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from grade.errors import CannotGrade
from grade.tree import ROOT, lab_directory, labs

PEERS = Path(__file__).parent / "peers.json"
OUT = ROOT / "build/bench"


def grade(lab: int) -> tuple[float, int]:
    """Grade a lab once. Returns the seconds it took and the number of its checks."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "grade", "--lab", str(lab), "--out", str(OUT)],
                          cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(f"lab {lab} does not get full marks, so its time means nothing:\n"
                           + done.stdout)
    results = json.loads((OUT / "results.json").read_text())
    return seconds, sum(len(graded["checks"]) for graded in results["labs"])


def measure(lab: int, runs: int) -> tuple[float, int]:
    """The median of several runs, after one that is not counted."""
    _, checks = grade(lab)
    return statistics.median(grade(lab)[0] for _ in range(runs)), checks


def row(name: str, checks: int, seconds: float) -> str:
    return f"{name:24} {checks:6} {seconds:10.2f} {seconds / checks:10.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--lab", type=int, action="append", help="this lab (default: all)")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'':24} {'checks':>6} {'seconds':>10} {'per check':>10}")
    try:
        for lab in arguments.lab or labs(ROOT):
            seconds, checks = measure(lab, arguments.runs)
            print(row(lab_directory(ROOT, lab).name, checks, seconds), flush=True)
    except (RuntimeError, CannotGrade) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    peers = json.loads(PEERS.read_text())
    for peer in peers["graders"]:
        print(row(peer["name"], peer["checks"], peer["seconds"]))
    print(f"\nHere: {os.cpu_count()} cores, the median of {arguments.runs} runs. "
          f"The others: {peers['measured_on']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
