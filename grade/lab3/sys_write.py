"""Exercise 3.7: a program whose system calls the grader makes, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from grade.lab import Lab
from grade.machine import Machine, Module, layout
from grade.machine.frames import count_free
from grade.machine.layout import (EBADF, EFAULT, KERNEL_BASE, PAGE, SYS_exit, SYS_write, USER_END,
                                  WINDOW_BASE, WORD, signed)
from grade.outcome import equal, expect
from grade.programs.image import R, W, X, Image, Segment, assemble

PAGES = 3  # of data that can be written
HELLO = b"Hello from userspace! (via Rung syscall handler)\n"
NAMES = {0: "0", -EBADF: "-EBADF (-9)", -EFAULT: "-EFAULT (-14)"}


def on_the_line(data: bytes) -> bytes:
    """What the terminal gets: serial_putc adds a carriage return before each newline."""
    return data.replace(b"\n", b"\r\n")


def shown(result: int) -> str:
    return NAMES.get(result, str(result))


class Writer:
    """A program that stands behind its `int 0x80`."""

    def __init__(self, m: Machine, rng: Random, image: Image) -> None:
        self.m, self.rng = m, rng
        self.code, self.constants, self.data = image.segments
        self.free = free_at_first(m)
        m.run_to(image.entry)

    def call(self, number: int, *arguments: int) -> int:
        """One system call; its result, signed."""
        names = ("rdi", "rsi", "rdx")
        registers = dict(zip(names, (each % WORD for each in arguments)))
        self.m.set_regs(rip=self.code.address, rax=number, **registers)
        self.m.run_to(self.code.address + 2)
        return signed(self.m.regs.rax)

    def write(self, fd: int, address: int, count: int, wanted: bytes | int,
              words: str = "") -> None:
        """write(fd, address, count): these bytes arrive, or this error and nothing."""
        before = len(self.m.console.raw)
        result = self.call(SYS_write, fd, address, count)
        data = wanted if isinstance(wanted, bytes) else b""
        what = f"write({fd}, {address:#x}, {count:#x})" + (f", {words}," if words else "")
        expected = wanted if isinstance(wanted, int) else len(wanted)
        expect(result == expected, f"{what} returns {shown(result)}", shown(expected))
        self.m.session.pump.drain()
        seen = self.m.console.raw[before:]
        expect(seen == on_the_line(data), f"{what} sends {brief(seen)}",
               f"{brief(on_the_line(data))} on the serial line: the bytes as they are, a carriage "
               "return before each newline")

    def part(self, segment: Segment, start: int, size: int) -> tuple[int, int, bytes]:
        """Address, size and bytes of a part of a segment."""
        data = segment.data[start:start + size]
        return segment.address + start, len(data), data


def brief(data: bytes) -> str:
    """Bytes for a message."""
    return repr(data) if len(data) <= 40 else f"{len(data)} bytes, {data[:20]!r}…{data[-12:]!r}"


def make_writer(rng: Random) -> Image:
    """Code, constants, and data up to the very end of a page behind which nothing is mapped."""
    base = rng.randrange(16, 1 << 30) * PAGE
    code = Segment(base, assemble("int 0x80\nnop\n", base).bytes + rng.randbytes(99), R | X)
    constants = Segment(base + 4 * PAGE, bytes(range(256)) + HELLO + rng.randbytes(3000), R)
    data = Segment(base + 8 * PAGE, rng.randbytes(PAGES * PAGE), R | W)
    return Image(base, [code, constants, data])


@contextmanager
def writer(lab: Lab, name: str = "writer") -> Iterator[Writer]:
    image = make_writer(lab.rng)
    with lab.boot(probe=True, modules=[Module(image.bytes(), name)]) as m:
        yield Writer(m, lab.rng, image)


def write_all_kinds(w: Writer) -> None:
    """From every segment, in every length, across pages; standard output and standard error."""
    rng, constants, data = w.rng, w.constants, w.data
    w.write(1, *w.part(constants, 256, len(HELLO)), "the 49 bytes of the first program")
    w.write(2, *w.part(constants, 0, 256), "every byte there is, zero included")
    w.write(1, *w.part(w.code, 0, 50), "its own code")
    for size in (1, 2, 255, 256, 257, 511, 512, 513, rng.randrange(2000, 5000)):
        start = rng.randrange(PAGES * PAGE - size)
        w.write(rng.choice((1, 2)), *w.part(data, start, size))
    for edge in (PAGE, 2 * PAGE):
        start = edge - rng.randrange(1, 300)
        w.write(1, *w.part(data, start, 600), "across the edge of a page")
    w.write(1, *w.part(data, PAGES * PAGE - 7, 7), "up to the last byte of the last page")
    w.write(1, data.address, 0, b"", "nothing")
    w.write((rng.getrandbits(31) << 32) + 1, *w.part(constants, 5, 20),
            "of which an int holds the lower half")


def refuse_writes(w: Writer) -> None:
    """Wrong files, and addresses that ring 3 could not read itself."""
    m, rng, data = w.m, w.rng, w.data
    for fd in (0, 3, 4, -1, 1 << 31, 0x101, rng.randrange(5, 1 << 31)):
        w.write(fd, data.address, 10, -EBADF)
    w.write(7, 0, 0, -EBADF)
    w.write(5, WINDOW_BASE, 10, -EBADF, "wrong file and wrong address")
    end = data.end
    for address, words in (
            (0, "page 0"), (8, "page 0"), (end, "behind its last page"),
            (data.address - PAGE, "between its segments"), (USER_END, "the last page of its half"),
            (USER_END - 1, "not mapped"), (1 << 47, "not canonical"), (WORD - 8, "wrapping around"),
            (WORD - 1, "wrapping around"), (KERNEL_BASE + 0x101000, "the kernel's code"),
            (m.sym("cpu_tss"), "the kernel's data"), (WINDOW_BASE + 0x200000, "physical memory"),
            (m.regs.rsp + WINDOW_BASE, "not canonical, or the kernel's"),
            (layout.KERNEL_STACKS_BASE + PAGE, "its kernel stack"),
            (rng.randrange(1 << 47, WINDOW_BASE), "not canonical")):
        w.write(1, address, rng.choice((1, 16, 300, WORD - 1)), -EFAULT, words)


def write_in_part(w: Writer) -> None:
    """Readable at first, and then no more: the part before counts. But a buffer that would not
    even end in the program's half is refused before its first byte."""
    rng, data = w.rng, w.data
    for left in (1, 255, 256, rng.randrange(257, 900)):
        address, _, rest = w.part(data, PAGES * PAGE - left, left)
        room = USER_END - address
        for count in (left + 1, rng.choice((left + PAGE, 1 << 31, 1 << 32)), room):
            w.write(1, address, count, rest, f"of which {left} bytes are readable")
        for count in (room + 1, rng.choice((1 << 47, 1 << 63, WORD - 1, WORD - address))):
            w.write(1, address, count, -EFAULT, "beyond the end of its half")
    w.write(1, data.end, 0, b"", "nothing, at an address that is not mapped")
    w.write(1, WINDOW_BASE, 0, -EFAULT, "nothing, at an address of the kernel's")


# The end


def end_program(w: Writer, status: int, name: str) -> None:
    """exit(status): said, everything given back, and the machine left."""
    w.write(1, *w.part(w.constants, ord("\n"), 1), "a newline")
    w.m.set_regs(rip=w.code.address, rax=SYS_exit, rdi=status)
    check_end(w.m, w.free, f"process {name}: exited with status {status & 0xFF}")


def free_at_first(m: Machine) -> int:
    """The free frames when a program is about to be started."""
    m.run_to("programs_run")
    return count_free(m)


def check_end(m: Machine, free: int, line: str) -> None:
    """The end of a run: all frames are free again, and the last three lines say so."""
    m.run_to("machine_exit")
    after = count_free(m)
    m.run_to_exit(layout.EXIT_OK)
    equal(after, free, "the number of free frames after the program")
    m.console.expect_in_order([line, f"frames: {free} free before, {free} after",
                               "Rung lab 3: done"])


def check_embedded(m: Machine) -> None:
    """The program in the kernel image, from its start to its end."""
    free = free_at_first(m)
    check_end(m, free, "process hello: exited with status 0")
    m.console.expect_in_order([
        "Successfully copied 4 kernel stack pages to process page table",
        re.compile(r"\[USERMODE\] Entering Ring 3: entry=0x400[0-9a-f]{3} "
                   r"stack=0x7ffffffe[0-9a-f]{4}"),
        HELLO.decode().rstrip("\n")])
    calls = [each for each in m.events if each.vector == layout.VECTOR_SYSCALL]
    expect(calls and all(each.software and each.cpl == 3 for each in calls),
           f"{len(calls)} times `int 0x80`, from the rings {sorted({each.cpl for each in calls})}",
           "the greeting comes by `int 0x80` from ring 3")
