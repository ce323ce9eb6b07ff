"""Tables behind the tests' own report: what was graded, and by which check each bug died."""

from __future__ import annotations

import signal
from collections import defaultdict

from _pytest.terminal import TerminalReporter

# Who starts the tests in the background of a script lets them, and all that they start, ignore
# SIGINT. Some of them are about just that signal.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
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
