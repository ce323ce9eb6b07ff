"""Files that execve must refuse, made from one that it would not: each is broken in one place."""

from __future__ import annotations

from collections.abc import Mapping

from grade.programs.image import HEADER, PAGE, PROGRAM_HEADER, Image, R, Segment, W, X, patched

BASE = 0x400000
CODE = bytes.fromhex("b83c000000 bf63000000 0f05")  # exit(99)
KERNEL = 0xFFFFFFFF80101000
WINDOW = 0xFFFF800000000000


def broken_files() -> Mapping[str, bytes]:
    """All of them, by name."""
    return {**broken_headers(), **broken_segments()}


def broken_headers() -> Mapping[str, bytes]:
    """What Linux refuses, too."""
    segments = [Segment(BASE, CODE)]
    whole = Image(BASE, segments).bytes()

    def header(**fields: int | bytes) -> bytes:
        return Image(BASE, segments, fields).bytes()

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
    def segment(*segments: Segment, entry: int = BASE) -> bytes:
        return Image(entry, segments).bytes()

    good = segment(Segment(BASE, CODE))
    return {
        "broken-code": good[:-1],
        "broken-entry": segment(Segment(BASE, CODE), entry=KERNEL),
        "broken-kernel": segment(Segment(KERNEL & -PAGE, CODE), Segment(BASE, CODE)),
        "broken-window": segment(Segment(BASE, CODE), Segment(WINDOW, CODE, R | W)),
        "broken-wraps": segment(Segment(BASE, CODE, memory_size=(1 << 64) - BASE)),
        "broken-stack": segment(Segment(BASE, CODE), Segment(0x7FFFFFFEF000, CODE, R | W)),
        "broken-overlap": segment(Segment(BASE, CODE), Segment(BASE, CODE, R | W)),
        "broken-write-code": segment(Segment(BASE, CODE, R | W | X)),
        "broken-offset": segment(Segment(BASE, CODE, offset=(1 << 64) - PAGE)),
        "broken-size": patched(good, 0, memory_size=len(CODE) - 1),
    }
