"""Tables behind the tests' own report: what was graded, and by which check each bug died."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter, defaultdict
from typing import Any

import pytest

# Who starts the tests in the background of a script lets them, and all that they start, ignore
# SIGINT. Some of them are about just that signal.
signal.signal(signal.SIGINT, signal.default_int_handler)


def stay_on_one_processor(worker: str) -> None:
    """A grader and its QEMU work in turns, thousands of times a second. On one processor that is a
    switch of processes; on two, each turn wakes the other one up, and costs a fifth more."""
    with contextlib.suppress(AttributeError, OSError):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[int(worker[2:]) % len(processors)]})


if "PYTEST_XDIST_WORKER" in os.environ:
    stay_on_one_processor(os.environ["PYTEST_XDIST_WORKER"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the tests of each file evenly, in their order. Then any stretch of tests takes about
    as long as another of that length, and the workers, who are given stretches, end together."""
    sizes, met = Counter(item.path for item in items), Counter[object]()
    places = {}
    for item in items:
        places[item] = (met[item.path] + 0.5) / sizes[item.path]
        met[item.path] += 1
    items.sort(key=lambda item: places[item])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    tables: dict[str, list[str]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name.startswith("table: ") and report.when == "call":
                    tables[name[len("table: "):]].append(row)
    for title, rows in sorted(tables.items()):
        terminalreporter.section(f"{title} ({len(rows)})")
        for row in sorted(rows):
            terminalreporter.write_line(row)
