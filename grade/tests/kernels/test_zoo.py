"""The zoo: every known bug is caught by the check that it names, and explained in its words."""

from __future__ import annotations

import pytest

from grade.tests.kernels.grading import WORK, grade, remember
from tools.bug import Bug, all_bugs, bug_tree

BUGS = all_bugs()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_is_caught(bug: Bug, request: pytest.FixtureRequest) -> None:
    tree = WORK / "zoo" / bug.name / "tree"
    bug_tree(bug, tree)
    result = grade(tree, bug.lab, f"zoo/{bug.name}", tests=bug.caught_by)
    reports = {each.check.id: each for each in result.checks}
    survived = [id for id, report in reports.items() if report.passed]
    remember(request, "kill table", f"lab {bug.lab}  {bug.name:34} " + (
        f"SURVIVED {' '.join(survived)}" if survived else
        "  ".join(f"{id} {report.outcome}" for id, report in reports.items())))
    assert not survived, f"{bug.title}: it survived"
    ungraded = [id for id, report in reports.items() if not report.graded]
    assert not ungraded, [reports[id].details for id in ungraded]
    said = "\n".join("\n".join((report.seen, report.expected, report.hint, *report.details))
                     for report in result.checks)
    for words in bug.says:
        assert words.lower() in said.lower(), f"nothing says «{words}»:\n{said}"


def test_every_check_has_a_bug() -> None:
    """A check that no bug makes fail is not a check."""
    from grade.catalog import load
    from grade.tests.kernels.grading import LABS
    checks = {check.id for lab in LABS for check in load(lab)}
    killers = {id for bug in BUGS for id in bug.caught_by}
    assert not checks - killers, f"no bug makes these fail: {sorted(checks - killers)}"
