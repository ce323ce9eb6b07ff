"""Exercises 6.4 and 6.5: what a program's tables show, at its every return to ring 3."""

from __future__ import annotations

from typing import Union

from grade.lab import Lab
from grade.lab6.entry_area import check_bits, check_pages
from grade.lab6.shadow_tables import FAR
from grade.lab6.pcid import KERNEL, PCID, RING3, Processor
from grade.lab6.kernel import KERNEL_RSP, SHADOW, boot, kernel_root
from grade.machine import Machine, Module, layout
from grade.machine.layout import CR4_SMAP, CR4_SMEP, PAGE
from grade.machine.paging import ACCESSED, HALF, LAST
from grade.machine.state import IF
from grade.outcome import equal, expect
from grade.programs.image import R, W, X, Image, Segment, assemble

MOST_STEPS = 64
SMEP_SMAP = CR4_SMEP | CR4_SMAP
WAYS = ("entry_leave", "entry_syscall_leave")
FIRST = """
start:  mov     r15, {data}
        mov     dword [r15 + 32], 0
        mov     eax, SYS_brk    ; a heap
        xor     edi, edi
        {call}
        lea     rdi, [rax + 0x5000]
        mov     rbx, rax
        mov     eax, SYS_brk
        {call}
        mov     byte [rbx + 0x4000], 1
        mov     byte [rsp - 0x6000], 1  ; the stack grows
        mov     eax, SYS_fork
        {call}
        test    eax, eax
        jz      child
        lea     rdi, [r15 + 0x1000]     ; copy on write, by the kernel: pipe
        mov     eax, SYS_pipe
        {call}
        mov     byte [r15], 1   ; and by the program
        lea     rdi, [rbx + 0x2000]     ; the heap shrinks
        mov     eax, SYS_brk
        {call}
reap:   mov     edi, -1
        xor     esi, esi
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, SYS_wait4
        {call}
        test    rax, rax
        jg      reap
        mov     edi, 5
        jmp     end
child:  mov     byte [r15 + 8], 1
spin:   cmp     dword [r15 + 32], 0     ; until the timer has ticked: the grader says so
        je      spin
spun:   lea     rdi, [path]
        xor     esi, esi
        xor     edx, edx
        mov     eax, SYS_execve
        {call}
        mov     edi, 6
end:    mov     eax, SYS_exit
        {call}
path:   db      "{name}", 0
"""
SECOND = """
start:  mov     r15, {data}
        mov     eax, SYS_getpid
        {call}
        mov     byte [rsp - 0x3000], 1
        mov     byte [r15], 1
        mov     edi, 7
        mov     eax, SYS_exit
        {call}
"""
INT80, SYSCALL = "int 0x80", "syscall"


class Tour:
    """Two programs with secrets, the kernel with secrets, and a look at every return to ring 3."""

    def __init__(self, lab: Lab, by: str) -> None:
        self.lab, self.by, rng = lab, by, lab.rng
        self.first = rng.randrange(0x100, 1 << 30) * PAGE
        self.second = FAR + rng.randrange(1 << 20) * PAGE
        self.own = {self.first: rng.randbytes(32), self.second: rng.randbytes(32)}
        self.processor: Union[Processor, None] = None  # if it is the grader that plays it
        self.secrets: dict[str, bytes] = {"the file of another program": rng.randbytes(32)}
        self.name = f"second{rng.getrandbits(32):x}"
        self.roots: dict[int, int] = {}  # where programs were seen: how often
        self.seen: set[int] = set()  # RIP at the looks
        self.spin = self.spun = 0
        self.places: list[Union[str, int]] = [*WAYS]  # and where processes and programs begin

    def file(self, base: int, text: str) -> bytes:
        data = base + 0x10_0000
        text = text.format(call=self.by, data=hex(data), name=self.name)
        if base == self.first:
            code = assemble(text, base, ["child", "spin", "spun"])
            begin, self.spin, self.spun = code.labels.values()
        else:
            code, begin = assemble(text, base), base
        self.places.append(begin)
        pages = self.own[base] + self.lab.rng.randbytes(PAGE)
        return Image(base, [Segment(base, code.bytes, R | X),
                            Segment(data, pages, R | W)]).bytes()

    def modules(self) -> list[Module]:
        second = self.file(self.second, SECOND) + self.secrets["the file of another program"]
        return [Module(self.file(self.first, FIRST), "first"), Module(second, self.name)]

    def run(self, pcids: bool = False) -> None:
        with boot(self.lab, probe=True, modules=self.modules()) as m:
            if pcids:
                m.run_to("kpti_init")
                self.processor = Processor(m)
            m.run_to("kernel_ready")
            self.plant(m)
            m.run_to(self.first)
            self.plant_on_stack(m)
            self.look(m, "first entry")
            for place in self.places:
                m.on(place, lambda: self.stopped(m))
            m.run_to_exit(layout.EXIT_OK)
            self.check_visits(m)
            if self.processor:
                check_switches(self.processor)

    def plant(self, m: Machine) -> None:
        """Where no program may look: variables, any memory; code and constants are there."""
        for name, place in (("the kernel's variables", m.sym("probe_data") + 0x1230),
                            ("memory in the window",
                             layout.WINDOW_BASE + m.call.result("frame_alloc") + 0x450)):
            self.secrets[name] = self.lab.rng.randbytes(32)
            m.memory.write(place, self.secrets[name])
        self.secrets["the kernel's code"] = m.memory.read(m.sym("kmain"), 32)
        self.secrets["the kernel's constants"] = m.memory.read(m.sym("isr_stubs"), 64)

    def plant_on_stack(self, m: Machine) -> None:
        bottom = (m.memory.u64(KERNEL_RSP) + PAGE - 1 & -PAGE) - layout.STACK_SIZE
        self.secrets["a kernel stack"] = self.lab.rng.randbytes(32)
        m.memory.write(bottom, self.secrets["a kernel stack"], kernel_root(m))

    def stopped(self, m: Machine) -> None:
        """At a landing, or at the last place in the kernel: go on to the first in ring 3."""
        if m.regs.cpl == 3:
            return self.look(m, "the first instruction of a process or program")
        expect(not m.regs.rflags & IF, f"interrupts are on at {m.where(m.regs.rip)}",
               "off: one that comes there finds a program's tables, or its GS, in the kernel")
        for _ in range(MOST_STEPS):
            if m.step().cpl == 3:
                return self.look(m, "a return to ring 3")
        expect(False, f"{MOST_STEPS} instructions behind {' or '.join(WAYS)} the ring is not 3",
               "these are the last of the kernel's")

    def look(self, m: Machine, how: str) -> None:
        """All that ring 3 could reach if there were no rights."""
        regs = m.regs
        where = f"{how}, at {regs.rip:#x}"
        equal(regs.cr3 & SHADOW, SHADOW, f"{where}: SHADOW_BIT of CR3")
        equal(regs.cr4 & SMEP_SMAP, SMEP_SMAP, f"{where}: SMEP and SMAP in CR4")
        equal(regs.cr3 & PCID, RING3 if self.processor else 0, f"{where}: the PCID in CR3")
        root = regs.cr3 & ~(SHADOW | PCID)
        self.roots[root] = self.roots.get(root, 0) + 1
        self.seen.add(regs.rip)
        check_kernel_half(m, regs.cr3, where)
        check_mirror(m, root, where)
        self.search(m, regs.cr3, regs.rip, where)
        if self.spin <= regs.rip < self.spun and layout.VECTOR_TIMER in vectors(m):
            m.memory.write(regs.r15 + 32, b"\1")

    def search(self, m: Machine, cr3: int, rip: int, where: str) -> None:
        pages = m.memory.mappings(cr3)
        for page in pages:
            expect(page.user or page.va >> 47, f"{where}: {page} is not for ring 3",
                   "in the user half all pages are the program's")
        memory = b"".join(m.phys.read(page.pa, page.size) for page in pages)
        others = {f"the memory of the program at {base:#x}": secret
                  for base, secret in self.own.items() if not base <= rip < base + 0x10_0000}
        for name, secret in {**self.secrets, **others}.items():
            at = memory.find(secret)
            expect(at < 0, f"{where}: {name} can be reached through CR3, {cr3:#x}",
                   "no frame that these tables show holds it")

    def check_visits(self, m: Machine) -> None:
        """The kernel has really been entered and left in all ways that were to be looked at."""
        m.console.expect_in_order(["process 2 first: exited with status 5"])
        for vector in (14, layout.VECTOR_TIMER):
            expect(vector in vectors(m), f"no program was interrupted by vector {vector}",
                   "page faults and the timer's interrupts in ring 3")
        expect(len(self.roots) >= 3, f"ring 3 was seen on {len(self.roots)} tables",
               "three pairs: the first process's, its child's, and the program's by execve")
        expect(any(each in range(self.second, self.second + PAGE) for each in self.seen),
               "the program that the child becomes by execve is not seen in ring 3", "it is")


def check_switches(processor: Processor) -> None:
    """No way in or out has cost the TLB."""
    for way, name in (((RING3, KERNEL), "in"), ((KERNEL, RING3), "out")):
        flushes, keeps = (processor.switches[way + (keep,)] for keep in (False, True))
        expect(keeps > 0 and flushes == 0, f"on the way {name}, CR3 was loaded {flushes} times "
               f"without bit 63, and {keeps} times with it", "with it, always: else the TLB is "
               "flushed, and PCIDs are good for nothing (percpu.cr3_switch)")


def vectors(m: Machine) -> set[int]:
    """What has interrupted ring 3 so far."""
    return {each.vector for each in m.events if each.cpl == 3}


def check_kernel_half(m: Machine, cr3: int, where: str) -> None:
    """The entries between the halves are empty, the way has no wrong bit, its pages are right."""
    table = m.phys.table(cr3 & ~0xFFF)
    for i in range(HALF, LAST):
        equal(table[i], 0, f"{where}: entry {i} of the shadow")
    check_bits(m, table[LAST], where)
    check_pages(m, cr3, where)


def check_mirror(m: Machine, root: int, where: str) -> None:
    table, shadow = (m.phys.table(each)[:HALF] for each in (root, root | SHADOW))
    for i, (own, mirrored) in enumerate(zip(table, shadow)):
        expect((own ^ mirrored) & ~ACCESSED == 0, f"{where}: entry {i} of the shadow is "
               f"{mirrored:#x}", f"as in the process's own table, {own:#x}")
