"""Exercise 5.7: the given system calls, each compared with Linux's word for it; and the shell."""

from __future__ import annotations

import re
import struct
from typing import Union

from grade.lab5.processes import OFF, Family
from grade.machine.layout import (EBADF, EFAULT, EINVAL, EMFILE, ESRCH, SIGKILL, SYS_close,
                                  SYS_dup2, SYS_getppid, SYS_kill, SYS_nanosleep, SYS_pipe,
                                  SYS_read, SYS_write, USER_END)
from grade.outcome import equal, expect


TYPED = "hello one two\ncow\nhello | wc\ncrash\nnobody\nfamily\nhello | wc | wc\n" \
        "family | crash\nwc\nthree\nlines\n\n\4wc\n\4exit\n"
SHELL: list[Union[str, "re.Pattern[str]"]] = [
    "$ hello one two", "argument: one", "argument: two", "$ cow", "child: 2",
    "parent: still 1, and the child left 7", "$ hello | wc", "1 lines, 49 bytes", "$ crash",
    re.compile(r"\[\d+\] ended by signal 11"), "$ nobody", "nobody: no such program",
    re.compile(r"\[\d+\] status 127"), "$ family", "family: 31 processes", "$ hello | wc | wc",
    "1 lines, 18 bytes", "$ family | crash", "$ wc", "3 lines, 13 bytes", "$ wc",
    "0 lines, 0 bytes", "$ exit",
    re.compile(r"process \d+ sh: exited with status 0"),
    re.compile(r"processes: \d+; frames: (\d+) free before, \1 after"),
    re.compile(r"Rung lab \d: done")]
# Whether the reader's end is told first or the writer's is a matter of whose turn it is.
BROKEN_PIPE: list[list[Union[str, "re.Pattern[str]"]]] = [
    ["$ family | crash", re.compile(rf"\[\d+\] ended by signal {number}"), "$ wc"]
    for number in (11, 13)]


# The reader sleeps until something is written, and again until the last writer has gone.
PIPES = """
%macro sys 1
        mov     eax, %1
        syscall
%endmacro
%macro is 3
        cmp     %1, %2
        mov     edi, %3
        jne     exit
%endmacro
start:  lea     rdi, [own]
        sys     SYS_pipe
        sys     SYS_fork
        test    rax, rax
        jz      child
        mov     edi, [own + 4]
        sys     SYS_close
        call    receive
        is      rax, 3, 1
        is      dword [status], "abc", 2
        call    receive
        is      rax, 0, 3
        mov     edi, {nonce}
exit:   sys     SYS_exit
receive:
        mov     edi, [own]
        lea     rsi, [status]
        mov     edx, 100
        sys     SYS_read
        ret
child:  call    wait_a_little
        mov     edi, [own + 4]
        lea     rsi, [text]
        mov     edx, 3
        sys     SYS_write
        call    wait_a_little
        xor     edi, edi
        jmp     exit
wait_a_little:
        mov     ebx, 5
again:  sys     SYS_sched_yield
        dec     ebx
        jnz     again
        ret
text:   db      "abc"
"""


class Files:
    """Pipes and descriptors of the process that runs."""

    def __init__(self, family: Family) -> None:
        self.f, self.m, self.at = family, family.m, family.program.data

    def ask(self, number: int, *arguments: int) -> int:
        by = self.f.rng.choice(("syscall", "int80"))
        return self.f.ask(number, *arguments, by=by, rflags=OFF)

    def pipe(self) -> tuple[int, int]:
        equal(self.ask(SYS_pipe, self.at), 0, "pipe")
        reader, writer = struct.unpack("<ii", self.m.memory.read(self.at, 8))
        return reader, writer

    def check_pipe(self) -> None:
        """What goes in comes out; ends that are gone; ends of the wrong kind."""
        reader, writer = self.pipe()
        equal((reader, writer), (3, 4), "the descriptors of the first pipe")
        data = self.f.rng.randbytes(200)
        self.m.memory.write(self.at + 0x200, data)
        equal(self.ask(SYS_write, writer, self.at + 0x200, 200), 200, "write to a pipe")
        equal(self.ask(SYS_read, reader, self.at + 0x400, 150), 150, "read of 150 of 200 bytes")
        equal(self.ask(SYS_read, reader, self.at + 0x400 + 150, 150), 50, "read of the rest")
        equal(self.m.memory.read(self.at + 0x400, 200) == data, True,
              "that a pipe gives what it was given")
        equal(self.ask(SYS_read, writer, self.at, 1), -EBADF, "read from the end for writing")
        equal(self.ask(SYS_write, reader, self.at, 1), -EBADF, "write to the end for reading")
        equal(self.ask(SYS_write, writer, USER_END, 1), -EFAULT, "write of memory that is none")
        equal(self.ask(SYS_close, writer), 0, "close")
        equal(self.ask(SYS_close, writer), -EBADF, "close of what is closed")
        equal(self.ask(SYS_read, reader, self.at, 8), 0,
              "read from a pipe that nobody can write to")
        equal(self.ask(SYS_dup2, reader, 9), 9, "dup2")
        equal(self.ask(SYS_close, reader), 0, "close of the other descriptor")
        equal(self.ask(SYS_read, 9, self.at, 8), 0, "read through dup2's descriptor")
        equal(self.ask(SYS_close, 9), 0, "close of it")

    def check_numbers(self) -> None:
        """Descriptors that are none, all that there are, and that they come back."""
        most = self.f.parent.fields["files"].elements
        for fd in (-1, 5, most, 1 << 20):
            equal(self.ask(SYS_close, fd), -EBADF, f"close({fd})")
            equal(self.ask(SYS_dup2, fd, 5), -EBADF, f"dup2({fd}, 5)")
            equal(self.ask(SYS_read, fd, self.at, 1), -EBADF, f"read from {fd}")
        for fd in (-1, most):
            equal(self.ask(SYS_dup2, 1, fd), -EBADF, f"dup2(1, {fd})")
        equal(self.ask(SYS_pipe, self.f.program.constants), -EFAULT, "pipe to read-only memory")
        pairs: list[int] = []
        while self.ask(SYS_pipe, self.at) == 0:
            pairs += struct.unpack("<ii", self.m.memory.read(self.at, 8))
            expect(len(pairs) < 1000, "there is no end of pipes", "-EMFILE")
        equal(self.ask(SYS_pipe, self.at), -EMFILE, "pipe when all descriptors are in use")
        for fd in pairs:
            equal(self.ask(SYS_close, fd), 0, f"close({fd})")


def check_files(family: Family) -> None:
    """Frames are conserved by pipes."""
    family.into_kernel(rflags=OFF)
    free = family.count_free()
    family.back()
    files = Files(family)
    files.check_pipe()
    files.check_numbers()
    family.into_kernel(rflags=OFF)
    equal(family.count_free(), free, "the number of free frames when all pipes are closed")
    family.back()


def check_kill(family: Family) -> None:
    """kill, by number and signal; getppid."""
    f = family
    f.into_kernel(rflags=OFF)
    child = f.fork()
    f.back()
    ask = Files(f).ask
    equal(ask(SYS_getppid), 0, "getppid() of the first process")
    for pid, signal, expected in ((999, SIGKILL, -ESRCH), (child.pid, 65, -EINVAL),
                                  (child.pid, -1, -EINVAL), (child.pid, 0, 0)):
        equal(ask(SYS_kill, pid, signal), expected, f"kill({pid}, {signal})")


def check_sleep(family: Family) -> None:
    """nanosleep: at least as long as asked, and what it refuses."""
    f, m, at = family, family.m, family.program.data
    for seconds, nanoseconds, expected in ((-1, 0, -EINVAL), (0, 10**9, -EINVAL), (0, -1, -EINVAL)):
        m.memory.write(at, struct.pack("<qq", seconds, nanoseconds))
        equal(f.ask(SYS_nanosleep, at, 0), expected, f"nanosleep({seconds} s, {nanoseconds} ns)")
    equal(f.ask(SYS_nanosleep, USER_END - 8, 0), -EFAULT, "nanosleep of a time that cannot be read")
    m.memory.write(at, struct.pack("<qq", 0, 25_000_000))
    f.into_kernel(rflags=OFF)
    before = m.call("timer_ticks")
    f.back()
    equal(f.ask(SYS_nanosleep, at, 0), 0, "nanosleep(25 ms)")
    f.into_kernel(rflags=OFF)
    passed = m.call("timer_ticks") - before
    f.back()
    expect(passed >= 3, f"nanosleep(25 ms) lasted {passed} ticks", "3 ticks of 10 ms or more")
