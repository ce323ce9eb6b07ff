"""Exercise 6.1: what kpti_init makes, what it makes of pti=, and of having no memory."""

from __future__ import annotations

import re
from typing import NamedTuple

from grade.lab import Lab
from grade.lab6.entry_area import RIGHTS, START
from grade.lab6.shadow_tables import check_pair
from grade.lab6.pcid import RING3, Features, Processor
from grade.lab6.kernel import PERCPU, SHADOW, boot, kernel_root
from grade.lab6.programs import run_to_end
from grade.machine import Machine, Module, layout
from grade.machine.frames import count_free
from grade.machine.layout import (ARCH_CAPABILITIES_RDCL_NO as RDCL_NO, CPUID_FEATURES,
                                  CPUID_FEATURES_EDX_ARCH_CAPABILITIES, CR3_NO_FLUSH, CR4_PCIDE,
                                  MSR_ARCH_CAPABILITIES, PAGE)
from grade.machine.paging import LAST
from grade.machine.state import leave
from grade.outcome import Failure, Outcome, equal, expect
from grade.programs.seen import Seen

CPUID, RDMSR = b"\x0f\xa2", b"\x0f\x32"
MOST_STEPS = 20000
MOST_FRAMES = 40
NEW_PAGES = len(RIGHTS) - layout.ENTRY_CODE_PAGES - 1  # but percpu's: that is there before


class Option(NamedTuple):
    """What kpti_init is told, by whom, and whether it shall isolate. QEMU has no processor that
    does not need it (capabilities: what the MSR says; None where there is no such MSR)."""

    command_line: str
    capabilities: int | None
    wanted: bool

    def __str__(self) -> str:
        says = ("no IA32_ARCH_CAPABILITIES" if self.capabilities is None else
                f"IA32_ARCH_CAPABILITIES {self.capabilities:#x}")
        return f"command line '{self.command_line}', {says}"


OPTIONS = (Option("", None, True), Option("pti=auto", RDCL_NO ^ 0xFF, True),
           Option("pti=on", RDCL_NO, True), Option("quiet pti=auto", RDCL_NO | 0x40, False),
           Option("", RDCL_NO, False), Option("pti=off", None, False))


def check_option(lab: Lab, option: Option) -> None:
    """At init_syscall: isolation is on or off, and the console says so."""
    with boot(lab, option.command_line) as m:
        m.run_to("kpti_is_wanted")
        decide(m, option)
        m.run_to("init_syscall")
        equal(m.call.truth("kpti_is_active"), option.wanted, f"kpti_is_active(): {option}")
        m.session.pump.drain()
        said = [line for line in m.console.lines if line.startswith("[KPTI]")]
        line = (f"[KPTI] Initialized: entry area at {START:#x}, kernel CR3={kernel_root(m):#x}"
                if option.wanted else "[KPTI] Off")
        equal(said, [line], f"what the kernel says: {option}")
        own = layout.ENTRY_IDT == m.system.idtr.base
        equal(own, option.wanted, f"whether IDTR leads into the entry area: {option}")


def decide(machine: Machine, option: Option) -> None:
    """Step through kpti_is_wanted, and answer its CPUID and RDMSR as the processor in question."""
    back = machine.memory.u64(machine.regs.rsp)
    for _ in range(MOST_STEPS):
        before = machine.regs
        code = machine.memory.read(before.rip, 2)
        if before.rip == back:
            return
        after = machine.step()
        if code == CPUID and before.rax & 0xFFFFFFFF == CPUID_FEATURES:
            tells = 0 if option.capabilities is None else CPUID_FEATURES_EDX_ARCH_CAPABILITIES
            machine.set_regs(rdx=after.rdx & ~CPUID_FEATURES_EDX_ARCH_CAPABILITIES | tells)
        elif code == RDMSR and before.rcx & 0xFFFFFFFF == MSR_ARCH_CAPABILITIES:
            expect(option.capabilities is not None, "kpti_is_wanted reads an MSR that CPUID does "
                   "not promise", "it asks CPUID first: RDMSR would be a #GP")
            machine.set_regs(rax=option.capabilities or 0, rdx=0)
    raise Failure(Outcome.WRONG, "kpti_is_wanted does not come back", "it asks a few times")


def check_pcids(lab: Lab, features: Features, cmdline: str = "pti=on") -> None:
    """PCIDs are used if isolation is on and the processor has all that it takes; then, and only
    then, a switch of tables has bit 63."""
    with boot(lab, cmdline) as m:
        m.run_to("kpti_init")
        Processor(m, features)
        m.run_to("init_syscall")
        isolated = cmdline != "pti=off"
        used = isolated and features.pcid and features.invpcid
        what = f"{features}, {cmdline}"
        equal(bool(m.regs.cr4 & CR4_PCIDE), used, f"CR4.PCIDE: {what}")
        m.console.expect_in_order([re.compile(r"\[KPTI\] .*, PCIDs") if used else
                                   re.compile(r"\[KPTI\] (?!.*PCIDs).*")])
        if isolated:
            equal(m.memory.u64(PERCPU + layout.PERCPU_CR3_SWITCH),
                  SHADOW | RING3 | CR3_NO_FLUSH if used else SHADOW, f"percpu.cr3_switch: {what}")
            check_pair(m, kernel_root(m), RING3 * used)


class Shortage:
    """Fails one allocation of a frame, from now on the n-th."""

    def __init__(self, machine: Machine) -> None:
        self.m, self.count, self.failing = machine, 0, -1
        self.last = 0  # RSP at the last call of frame_alloc
        machine.on("frame_alloc", self.one)
        machine.on("frame_alloc_run", self.run)

    def begin(self, failing: int) -> None:
        self.count, self.failing = 0, failing

    def one(self) -> None:
        self.last = self.m.regs.rsp
        self.allocation()

    def run(self) -> None:
        """frame_alloc may call frame_alloc_run, or end in it: that is the same allocation."""
        rsp = self.m.regs.rsp
        if rsp != self.last and not self.m.where(self.m.memory.u64(rsp)).startswith("frame_alloc+"):
            self.allocation()
        self.last = 0

    def allocation(self) -> None:
        if self.count == self.failing:
            leave(self.m, layout.ERROR_NO_FRAMES)
        self.count += 1


def entry_area(machine: Machine) -> list[int]:
    """The pages that are mapped in the entry area's part of the kernel's space."""
    return sorted(page.va for page in machine.memory.mappings(kernel_root(machine), LAST, LAST)
                  if page.va >= START)


def check_shortages(lab: Lab) -> None:
    """Call entry_area_create again and again, each time with another frame that is not there."""
    with boot(lab, probe=True) as m:
        m.run_to("entry_area_create")
        shortage, free = Shortage(m), count_free(m)
        mapped = entry_area(m)
        for n in range(MOST_FRAMES):
            shortage.begin(n)
            error, _ = m.call.out("entry_area_create")
            if shortage.count <= n:
                break
            what = f"without a frame for allocation {n + 1} of entry_area_create"
            equal(error, "ERROR_NO_FRAMES", f"what entry_area_create returns {what}")
            equal(m.call("frames_free"), free, f"frames_free() afterwards, {what},")
            equal(entry_area(m), mapped, f"what is mapped in the entry area, {what}")
        left = free - n
        equal(count_free(m), left, "the number of free frames when entry_area_create has worked")
        equal(error, "OK", "what entry_area_create returns when there are frames enough")
        equal(n, NEW_PAGES + 2, "the number of frames that entry_area_create takes: one for each "
              "new page, two for the chain")


def check_without(lab: Lab) -> None:
    """Without memory for the chain the kernel says so, and runs as it did in lab 5."""
    file = lab.kernel.parent / "user" / "hello.elf"
    with boot(lab, probe=True, modules=[Module(file.read_bytes(), "hello")]) as m:
        m.run_to("entry_area_create")
        shortage = Shortage(m)
        shortage.begin(NEW_PAGES + lab.rng.randrange(2))
        m.run_to("init_syscall")
        shortage.begin(-1)
        root = kernel_root(m)
        equal(root % (2 * PAGE), 0, "the lowest 13 bits of kernel_root")
        equal(m.call.truth("kpti_is_active"), False, "kpti_is_active() without memory for it")
        expect(m.system.idtr.base != layout.ENTRY_IDT, "IDTR leads into the entry area",
               "all stays as it was where there is no memory for the entry area")
        m.console.expect_in_order(["[KPTI] Not initialized: resource exhausted: physical frames. "
                                   "Running without page-table isolation."])
        m.run_to("programs_run")
        free, seen = count_free(m), Seen(m, {"hello": file})
        run_to_end(m, free, "process 2 hello: exited with status 0")
        seen.check("hello begins", "hello asks for its end with 0")
