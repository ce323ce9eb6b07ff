"""Looking into a running kernel, and calling its functions from outside."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest

from grade import toolchain
from grade.machine.gdbremote import GdbError
from grade.machine.handover import HandOver
from grade.machine.machine import Call, Machine, MemoryArea, Module, Result, Value
from grade.machine.msr import places
from grade.machine.multiboot2 import memory_map, tags
from grade.machine.session import Ending
from grade.outcome import Failure, Outcome
from grade.tests import HANGING


def test_the_entry_is_as_grub_leaves_it(kernel: Path) -> None:
    """Multiboot2 specification, section 3.3."""
    with Machine(kernel) as m:
        regs = m.regs
        assert regs.rax == 0x36D76289 and regs.rbx == m.information
        assert regs.rip == m.sym("_start")
        assert regs.cr0 & 1 and not regs.cr0 >> 31 and not regs.rflags & 0x20200


def test_registers(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        regs = m.regs
        assert (regs.cs, regs.ss, regs.cpl, regs.cr3) == (8, 16, 0, m.sym("level4"))
        assert regs.efer & 0x500 == 0x500 and regs.cr4 & 1 << 5
        m.set_regs(r15=0xFEDC_BA98_7654_3210, rax=-1, rflags=regs.rflags | 1)
        assert m.regs.r15 == 0xFEDC_BA98_7654_3210 and m.regs.rax == (1 << 64) - 1
        assert m.regs.rflags & 1
        assert m.system.gdtr.base == m.sym("gdt") and m.system.gdtr.limit == 23
        assert m.system.idtr.base == m.sym("idt") and m.system.idtr.limit == 511


def test_step_and_run_again(kernel: Path) -> None:
    """A machine that stands at a breakpoint does not stop there again before it has moved."""
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.run_to("print.next")
        first = m.regs.rsi
        for _ in range(3):
            m.run_to("print.next")
        assert m.regs.rsi == first + 3
        m.run_to("leave_ok", "spin")
        assert m.regs.rip == m.sym("leave_ok")
        assert m.step(2).rip > m.sym("leave_ok")
        assert m.run_to_exit() == 0x10


def test_an_instruction_is_played(kernel: Path) -> None:
    """Something else is done for it, when it is run and when it is stepped; or it is itself."""
    with Machine(kernel) as m:
        m.run_to("kmain")
        done: list[int] = []

        def action() -> bool:
            done.append(m.regs.rip)
            if len(done) < 3:
                m.set_regs(rip=m.sym("leave_ok") + 5, rax=0x20 + len(done))
                return True
            return False

        m.instead("leave_ok", action)
        m.set_regs(rip=m.sym("leave_ok"))
        assert m.step().rax == 0x21 and m.regs.rip == m.sym("leave_ok") + 5
        m.set_regs(rip=m.sym("leave_ok"))
        m.run_to(m.sym("leave_ok") + 9)
        assert m.regs.rax == 0x22
        m.set_regs(rip=m.sym("leave_ok"))
        assert m.run_to_exit() == 0x10 and len(done) == 3


def test_stepping_out_of_the_machine(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("leave_ok")
        with pytest.raises(Failure, match="EXIT_OK"):
            m.step(10)


def test_memory(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        assert m.memory.read(m.sym("hello"), 5) == b"hello"
        assert m.memory.string(m.sym("panic_text")).startswith("PANIC: ")
        m.memory.write(m.sym("hello"), b"HELLO")
        across = 0x400000 - 3
        m.memory.write(across, b"across")
        assert m.phys.read(across, 6) == m.session.gdb.read(across, 6) == b"across"
        m.memory.set_u64(0x300000, 0x1122334455667788)
        assert m.memory.u64(0x300000) == 0x1122334455667788 and m.memory.u32(0x300004) == 0x11223344
        with pytest.raises(Failure, match="is not mapped") as caught:
            m.memory.read(0x7000_0000_0000, 1)
        assert caught.value.outcome == Outcome.WRONG
        m.run_to_exit(0x10)
    assert m.console.lines[0] == "HELLO"


def test_poked_code_is_executed(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        assert m.call("sum", 1, 2) > 2
        m.memory.poke_code(m.sym("sum"), b"\x31\xc0\xff\xc0\xc3")  # return 1
        assert m.call("sum", 1, 2) == 1


def test_free_memory_is_full_of_rubbish(kernel: Path) -> None:
    with Machine(kernel) as m:
        assert m.phys.read(0x2000000, 4096) == b"\xa5" * 4096
        assert m.phys.read(m.sym("level3"), 4096) == b"\xa5" * 4096, ".bss is not cleared for it"
        assert m.phys.read(0, 4096).count(0xA5) < 100, "the BIOS's data are left alone"
        rsdp = m.phys.read(0xE0000, 0x20000).find(b"RSD PTR ")
        assert rsdp >= 0, "ACPI is where firmware left it"
    with Machine(kernel, fill=0) as m:
        assert not any(m.phys.read(0x2000000, 4096))


def test_call(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("say_hello")
        before = m.regs
        assert m.call("sum", 1, 20, 300, 4000, 50000, 600000) == 654321
        assert m.call("sum", -1, 0, 0, 0, 0, 0) == (1 << 64) - 1
        assert m.call("countdown", 4) == 10
        assert m.regs == before
        m.run_to_exit(0x10)


def test_a_call_that_comes_by_its_return_address(kernel: Path) -> None:
    """The called function passes the place it was called from, deeper in the stack."""
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.set_regs(rip=m.sym("countdown"), rdi=0)
        assert m.call("countdown", 5) == 15


def test_a_call_that_does_not_return(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        with pytest.raises(Failure) as caught:
            m.call("leave_not_written")
    assert caught.value.outcome == Outcome.NOT_WRITTEN


def test_a_call_that_returns_with_another_stack(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.memory.poke_code(m.sym("sum"), b"\x58\x50\x50\xc3")  # pop rax; push rax; push rax; ret
        with pytest.raises(Failure, match="RSP when sum has returned"):
            m.call("sum", 1)


def test_a_call_from_where_nothing_can_be_called(kernel: Path) -> None:
    """It is refused at once: it would never return."""
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.set_regs(cs=8 | 3)
        for refused in (lambda: m.call("sum", 1, 2), lambda: m.call.batch([Call("sum", 1, 2)])):
            with pytest.raises(Failure, match="the machine is in ring 3"):
                refused()
        m.phys.write(0x300000, bytes(4096))
        m.set_regs(cs=8, cr3=0x300000)
        with pytest.raises(Failure, match="is not mapped") as caught:
            m.call("sum", 1, 2)
        assert caught.value.expected == "sum is mapped where it is to be called"
        m.set_regs(cr3=m.sym("level4"))
        m.run_to_exit(0x10)


def test_an_nmi(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("say_hello")
        m.nmi()
        m.run_to("other_fault")
        assert m.events[-1].vector == 2 and m.memory.u64(m.regs.rsp) == m.sym("say_hello")


def test_batch(kernel: Path) -> None:
    """More calls than the table holds, arguments that are results of earlier ones."""
    rng = random.Random(1)
    numbers = [[rng.getrandbits(64) for _ in range(6)] for _ in range(20)]
    with Machine(kernel) as m:
        m.run_to("kmain")
        before = m.regs
        results = m.call.batch([Call("sum", *each) for each in numbers])
        assert results == [sum(each) % (1 << 64) for each in numbers]
        m.memory.set_u64(0x300000, 77)
        chain = [Call("sum", 1, 0, 0, 0, 0, 0)]
        chain += [Call("sum", Result(i), Result(0), 0, 0, 0, 0) for i in range(19)]
        assert m.call.batch(chain) == list(range(1, 21))
        assert m.call.batch([Call(m.sym("sum"), Value(0x300000), "level4")])[0] % (1 << 32) > 77
        assert m.call.batch([]) == []
        assert m.regs == before
        m.run_to_exit(0x10)


def test_actions_on_the_way(kernel: Path) -> None:
    letters = []
    with Machine(kernel) as m:
        m.on("print.next", lambda: letters.append(m.memory.read(m.regs.rsi, 1)))
        m.run_to("leave_ok")
    assert b"".join(letters) == b"hello\r\nworld\n\0"


def test_msr_writes(kernel: Path) -> None:
    with Machine(kernel, msrs=True) as m:
        m.run_to("kmain")
        m.call("write_msrs")
        efer, star, lstar = m.msr_writes
        where = m.symbols.function(efer.rip)
    assert (efer.name, efer.value & 1 << 8, where) == ("EFER", 1 << 8, "enable_long_mode")
    assert str(star) == "wrmsr STAR = 0x23000800000000"
    assert (lstar.msr, lstar.value) == (0xC0000082, 0xFFFFFFFF89ABCDEF)


def test_every_wrmsr_is_found(kernel: Path) -> None:
    listing = subprocess.run([toolchain.tool("objdump"), "-d", kernel], text=True,
                             capture_output=True, check=True).stdout
    with Machine(kernel) as m:
        found = places(m.symbols.elf)
    listed = [int(each, 16) for each in re.findall(r"^ *([0-9a-f]+):.*\bwrmsr", listing, re.M)]
    assert len(listed) >= 3 and set(listed) <= set(found)


def test_watchpoint(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.session.gdb.watch(m.sym("information"), 4)
        m.set_regs(rip=m.sym("probe_run"))
        m.memory.set_u64(m.sym("probe_count"), 0)
        m.session.gdb.unwatch(m.sym("information"), 4)
        m.session.gdb.watch(m.sym("probe_count"), 8, "read")
        stop = m.run_to_stop()
        assert stop.ending == Ending.BREAKPOINT
        assert m.where(stop.address).startswith("probe_run")


def test_traced_devices(kernel: Path) -> None:
    with Machine(kernel, trace=["serial_*"]) as m:
        m.run_to_exit(0x10)
    written = [line for line in m.session.log.traced if line.startswith("serial_write")]
    assert len(written) == len("hello\r\nworld\n")


def test_stub_errors_are_told(kernel: Path) -> None:
    with Machine(kernel) as m, pytest.raises(GdbError):
        m.run_to("kmain")
        m.session.gdb.read(0x7000_0000_0000, 8)


def test_monitor(kernel: Path) -> None:
    with Machine(kernel) as m:
        assert m.session.qmp.command("query-status")["running"] is False
        m.run_to("kmain")
        assert "0x" in m.session.qmp.monitor(f"gva2gpa {m.sym('kmain'):#x}")


def test_typing_at_the_serial_port(kernel: Path) -> None:
    with Machine(kernel) as m:
        m.run_to("kmain")
        m.memory.poke_code(m.sym("sum"), bytes.fromhex("66bafd03 ec a801 74f9 66baf803 31c0 ec c3"))
        m.type("k")
        assert m.call("sum") == ord("k")


def test_modules_and_command_line(kernel: Path) -> None:
    areas = [MemoryArea(0, 0x9F000), MemoryArea(0x100000, 0x700000), MemoryArea(0x800000, 5000, 2),
             MemoryArea(0x900000, 0x300000)]
    with Machine(kernel, cmdline="nonce=42", modules=[Module(b"data" * 2000, "first one")],
                 memory_map=areas, rng=random.Random(7)) as m:
        size, _ = struct.unpack("<II", m.phys.read(m.information, 8))
        structure = m.phys.read(m.information, size)
        found = dict(tags(structure))
        start, end = struct.unpack_from("<II", found[3], 8)
        assert found[1][8:] == b"nonce=42\0" and found[3][16:] == b"first one\0"
        assert m.phys.read(start, end - start) == b"data" * 2000
        assert memory_map(structure) == areas


def test_hand_over_to_gdb(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine stands at the place, and a person's gdb can look at it and let it run."""
    monkeypatch.setenv("RUNG_DEBUG_AT", "say_hello")
    with pytest.raises(HandOver) as caught, Machine(kernel) as m:
        m.run_to_exit(0x10)
    handed = caught.value
    try:
        gdb = subprocess.run(
            [toolchain.gdb(), "-batch", "-nx", "-ex", f"target remote {handed.gdb_path}",
             "-ex", "printf \"rip=%lx\\n\", $rip", "-ex", f"break *{m.sym('leave_ok'):#x}",
             "-ex", "continue", "-ex", "printf \"then=%lx\\n\", $rip", "-ex", "detach",
             str(handed.kernel)], text=True, capture_output=True, timeout=HANGING)
        assert f"rip={m.sym('say_hello'):x}" in gdb.stdout, gdb.stdout + gdb.stderr
        assert f"then={m.sym('leave_ok'):x}" in gdb.stdout, gdb.stdout + gdb.stderr
    finally:
        handed.end()
    assert m.console.lines == ["hello", "world"]
    assert not Path(f"/proc/{handed.pid}").exists()
