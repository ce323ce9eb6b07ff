"""Files that execve must refuse, made from one that it would not: each is broken in one place."""

from __future__ import annotations

from collections.abc import Mapping

from grade.machine.layout import PAGE, PROGRAM_BASE, WINDOW_BASE
from grade.programs.image import HEADER, PROGRAM_HEADER, R, W, X, Image, Segment, patched

CODE = bytes.fromhex("b83c000000 bf63000000 0f05")  # exit(99)
KERNEL = 0xFFFFFFFF80101000


def broken_files() -> Mapping[str, bytes]:
    """All of them, by name."""
    return {**broken_headers(), **broken_segments()}


def broken_headers() -> Mapping[str, bytes]:
    """What Linux refuses, too."""
    segments = [Segment(PROGRAM_BASE, CODE)]
    whole = Image(PROGRAM_BASE, segments).bytes()

    def header(**fields: int | bytes) -> bytes:
        return Image(PROGRAM_BASE, segments, fields).bytes()

    return {
        "broken-empty": b"",
        "broken-byte": whole[:1],
        "broken-magic": whole[:4],
        "broken-header": whole[:HEADER.size - 1],
        "broken-table": whole[:HEADER.size + PROGRAM_HEADER.size - 1],
        "broken-text": b"a text, not a program\n" * 500,
        "broken-zeros": bytes(2 * PAGE),
        "broken-type": header(type=1),
        "broken-machine": header(machine=3),
        "broken-entry-size": header(program_header_size=1),
        "broken-no-table": header(program_header_count=0),
        "broken-far-table": header(program_headers=1 << 40),
        "broken-last-table": header(program_headers=(1 << 64) - PROGRAM_HEADER.size),
    }


def broken_segments() -> Mapping[str, bytes]:
    """What Linux finds out about when it is too late for an error, or not at all."""
    def segment(*segments: Segment, entry: int = PROGRAM_BASE) -> bytes:
        return Image(entry, segments).bytes()

    good = segment(Segment(PROGRAM_BASE, CODE))
    return {
        "broken-code": good[:-1],
        "broken-entry": segment(Segment(PROGRAM_BASE, CODE), entry=KERNEL),
        "broken-kernel": segment(Segment(KERNEL & -PAGE, CODE), Segment(PROGRAM_BASE, CODE)),
        "broken-window": segment(Segment(PROGRAM_BASE, CODE), Segment(WINDOW_BASE, CODE, R | W)),
        "broken-wraps": segment(Segment(PROGRAM_BASE, CODE, memory_size=(1 << 64) - PROGRAM_BASE)),
        "broken-stack": segment(Segment(PROGRAM_BASE, CODE), Segment(0x7FFFFFFEF000, CODE, R | W)),
        "broken-overlap": segment(Segment(PROGRAM_BASE, CODE), Segment(PROGRAM_BASE, CODE, R | W)),
        "broken-write-code": segment(Segment(PROGRAM_BASE, CODE, R | W | X)),
        "broken-offset": segment(Segment(PROGRAM_BASE, CODE, offset=(1 << 64) - PAGE)),
        "broken-size": patched(good, 0, memory_size=len(CODE) - 1),
    }
