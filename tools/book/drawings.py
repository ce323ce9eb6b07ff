"""Pictures of a running kernel."""

from __future__ import annotations

from tools.command import Refusal


def figure(what: str) -> str:
    raise Refusal(f"there is no drawing {what}")
