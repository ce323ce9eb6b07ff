"""Lab 6: page-table isolation that isolates. What earns points.

A student's kernel is complete up to some exercise and stops at the next one. So the first checks
look at tables while nothing runs; those of 6.4 run programs that make their system calls by int
0x80, those of 6.5 by SYSCALL; and NMIs come last. The tools are in grade/lab6/."""

from __future__ import annotations

from itertools import product

from grade.check import check
from grade.lab import Lab
from grade.lab5.processes import family
from grade.lab5.kill import check_killed
from grade.lab4 import entries
from grade.lab6 import entry_area, entry_exit, exposure, nmi, programs, shadow_tables, starting
from grade.lab6.pcid import Features
from grade.lab6.puppet import guest
from grade.lab6.kernel import boot, kernel_root
from grade.machine.frames import count_free
from grade.machine.layout import PAGE, SYS_getpid, VECTOR_DB, error_name
from grade.outcome import equal, expect

# ---- Exercise 6.1: the chain to the entry area ------------------------------------------------


@check("T6.1", title="The chain leads to the entry area's table, and shows nothing else", points=8,
       exercise="6.1", debug_at="entry_area_create",
       hint="make_chain in entry_area.c: two new tables, each all zero but for its last entry. "
            "If the chain used the kernel's own tables of level 3 or 2, a program's tables would "
            "show all that hangs below: the whole image. pti.rst in Linux's "
            "Documentation/arch/x86")
def test_chain(lab: Lab) -> None:
    """Every entry of every table on the way, and each bit."""
    with boot(lab, probe=True) as m:
        m.run_to("entry_area_create")
        place, back, kernels = m.regs.rdi, m.memory.u64(m.regs.rsp), entry_area.all_tables(m)
        m.memory.set_u64(place, lab.rng.getrandbits(64))
        free = count_free(m)
        m.run_to(back)
        equal(error_name(m.regs.rax), "OK", "what entry_area_create returns")
        chain = entry_area.check_chain(m, m.memory.u64(place), kernels | entry_area.all_tables(m))
        own = [frame for va, frame in entry_area.kernel_frames(m).items()
               if entry_area.RIGHTS[va] != entry_area.CODE
               and entry_area.named(va).find("percpu") < 0]
        equal(free - count_free(m), len(own) + 2, "the number of frames it has taken")
        expect(chain.level3 not in own and chain.level2 not in own,
               "a table of the chain lies in a frame that is a page of the entry area as well",
               "a frame of its own for each table")


@check("T6.2", title="Through the chain: code R-X, tables R--, stacks RW-, no guards; all in use",
       points=6, exercise="6.1", debug_at="entry_area_use",
       hint="layout.h draws the entry area, page by page. What the kernel's own tables say about "
            "these pages is what the chain shows: the table of level 1 is the same. U and G are "
            "0 at every level; `info registers` in QEMU's monitor shows GDT, IDT and TR")
def test_entry_area(lab: Lab) -> None:
    """Each page, the descriptor tables, all 256 gates."""
    with boot(lab) as m:
        m.run_to("init_syscall")
        way = shadow_tables.demand_way(m)
        entry_area.check_bits(m, way, "the way to the entry area")
        root = entry_area.fake_root(m, way, m.call.result("frame_alloc"))
        entry_area.check_pages(m, root, "through the chain")
        entry_area.check_pages(m, root, "through the chain")
        equal(kernel_root(m) % (2 * PAGE), 0, "the lowest 13 bits of kernel_root")
        equal(m.regs.cr3, kernel_root(m), "CR3 after kpti_init")
        entry_area.check_in_use(m)


@check("T6.3", title="pti= is obeyed, and without memory the kernel runs without isolation",
       points=6, exercise="6.1", debug_at="kpti_init",
       hint="make_chain: if a table cannot be had, the one made before is given back, and "
            "ERROR_NO_FRAMES returned. The grader lets one allocation fail after the other")
def test_options(lab: Lab) -> None:
    """On, off, auto; processors with and without PCIDs and INVPCID; each frame that
    entry_area_create asks for is refused once."""
    for option in starting.OPTIONS:
        starting.check_option(lab, option)
    for features in (Features(*each) for each in product((True, False), repeat=2)):
        starting.check_pcids(lab, features)
    starting.check_pcids(lab, Features(), "pti=off")
    starting.check_shortages(lab)
    starting.check_without(lab)


# ---- Exercise 6.2: shadow tables --------------------------------------------------------------


@check("T6.4", title="A shadow has the user half, the way to the entry area, and nothing else",
       points=8, exercise="6.2", debug_at="kpti_create_shadow_tables",
       hint="kpti_create_shadow_tables: entries 0 to 255 are copied, 256 to 510 are 0, 511 is "
            "way_to_entry_area. The frame of the shadow is full of rubbish before. The table "
            "itself gets PTE_PAIR in its last entry, and changes nowhere else")
def test_shadow(lab: Lab) -> None:
    """On a table with random entries, three times."""
    with shadow_tables.pairs(lab) as kernel:
        shadow_tables.check_allocation(kernel)
        for _ in range(3):
            shadow_tables.check_made(kernel)
        shadow_tables.check_scarce(kernel)


@check("T6.5", title="kpti_mirror writes what belongs into a shadow, and where it belongs",
       points=6, exercise="6.2", debug_at="kpti_mirror",
       hint="kpti_mirror gets any entry of any table. Its table begins at the page it lies in. "
            "Only if the last entry there is present and has PTE_PAIR does a shadow lie behind "
            "it, and only entries of the user half are the same in both")
def test_mirror(lab: Lab) -> None:
    """Tables with and without a shadow, both halves, entries set and cleared."""
    with shadow_tables.pairs(lab) as kernel:
        shadow_tables.check_mirroring(kernel)


@check("T6.6", title="Every shadow follows its table while pages come and go; pairs are given back",
       points=6, exercise="6.2", debug_at="kpti_mirror",
       hint="an entry of level 4 is written when a far address is mapped first "
            "(ensure_table_present) and when the last page below it goes (remove_table). Both say "
            "so by table_entry_changed, which is kpti_mirror; that must write zeroes too")
def test_shadows_live(lab: Lab) -> None:
    """Random pages in four spaces, copies of them, an end."""
    with shadow_tables.pairs(lab) as kernel:
        shadow_tables.check_life(kernel)


# ---- Exercise 6.3: validation -----------------------------------------------------------------


@check("T6.7", title="kpti_validate_shadow_tables sees any difference of the user halves", points=6,
       exercise="6.3", debug_at="kpti_validate_shadow_tables",
       hint="compare all 64 bits of entries 0 to 255 but PTE_ACCESSED, which the processor sets "
            "in each table when it walks that one (SDM vol. 3A 4.8); the messages are in the "
            "comment in kpti.h and in the chapter")
def test_validate_user_half(lab: Lab) -> None:
    """Single bits turned round in either table."""
    with shadow_tables.pairs(lab, trusting=False) as kernel:
        root = shadow_tables.inhabited(kernel)
        shadow_tables.validate(kernel, root, "")
        shadow_tables.check_user_half(kernel, root)


@check("T6.8", title="kpti_validate_shadow_tables sees what a kernel half must not have, or lacks",
       points=4, exercise="6.3", debug_at="kpti_validate_shadow_tables",
       hint="of entries 256 to 510 none may be present; 511 must be way_to_entry_area, "
            "PTE_ACCESSED excepted: present alone is not enough")
def test_validate_kernel_half(lab: Lab) -> None:
    """Entries where none may be, and a last one that is not the way."""
    with shadow_tables.pairs(lab, trusting=False) as kernel:
        root = shadow_tables.inhabited(kernel)
        shadow_tables.check_kernel_half(kernel, root)
        shadow_tables.check_diagnosis(kernel, root)
    shadow_tables.check_inactive(lab)


# ---- Exercise 6.4: interrupts -----------------------------------------------------------------


@check("T6.9", title="Every vector from ring 3, and from ring 0: tables, GS, stack, all registers",
       points=7, exercise="6.4", debug_at="trap",
       hint="entry_common and entry_leave in entry.asm: RAX is the one register you have, and it "
            "is kept in percpu.scratch; seven words come in, five go out, in which order? From "
            "ring 0 nothing is to be exchanged")
def test_vectors(lab: Lab) -> None:
    """What the processor does is done by the grader, with a state that is all random. There are
    no hooks in C: the tables are switched in assembly."""
    with guest(lab) as visitor:
        m = visitor.m
        m.mask_devices()
        m.on("entry_leave", lambda: entry_exit.interrupts_off(m))
        vectors = [each for each in range(256) if each not in entry_exit.ANY_TIME]
        with entries.stopping(m, "trap"):
            for vector in lab.rng.sample(vectors, len(vectors)):
                entry_exit.deliver(visitor, vector, 3)
            for vector in lab.rng.sample(vectors, 40):
                if vector != VECTOR_DB:
                    entry_exit.deliver(visitor, vector, 0)


@check("T6.10", title="CR3 at the kernel's first instruction, in trap(), and back in the program",
       points=5, exercise="6.4", debug_at="trap",
       hint="stop at entry_stubs + 16 * vector, at trap and behind the instruction, and look at "
            "CR3: shadow, own, shadow. From ring 0 it does not change")
def test_cr3(lab: Lab) -> None:
    """Real exceptions, system calls and timer interrupts in both rings."""
    with guest(lab) as visitor:
        with entries.stopping(visitor.m, "trap"):
            for ring in lab.rng.sample((3, 0, 3, 0), 4):
                for trap in entries.traps(ring):
                    entry_exit.really(visitor, trap, ring)
            for _ in range(3):
                entry_exit.tick(visitor)
        equal(visitor.ask(SYS_getpid, by="int80"), 1, "getpid() by int 0x80, after all of that,")


@check("T6.11", title="At each return to ring 3 the tables show the entry area only: no secret",
       points=5, exercise="6.4", debug_at="entry_leave",
       hint="list what the shadow maps: `monitor info tlb` at a program's instruction. What is "
            "there beside the program and the pages of layout.h? Has every entry of level 4 that "
            "the kernel writes for a program come into the shadow?")
def test_walk(lab: Lab) -> None:
    """First entry, int 0x80, timer, #PF, forked child, execve."""
    exposure.Tour(lab, exposure.INT80).run()


@check("T6.12", title="Preempted processes keep all registers; lab 5's programs run by int 0x80",
       points=5, exercise="6.4", debug_at="entry_common",
       hint="a register that is lost now and then is lost where an interrupt may come: are "
            "interrupts off between the switch of tables and IRETQ? Is percpu.scratch read "
            "before somebody else writes it?")
def test_preemption(lab: Lab) -> None:
    """General and SSE registers under preemption; a shell, pipes, a fault."""
    programs.check_workers(lab, exposure.INT80)
    programs.check_shell(lab, "-int80", "pti=on")


# ---- Exercise 6.5: SYSCALL --------------------------------------------------------------------


@check("T6.13", title="SYSCALL and SYSRET: tables, GS, stacks, and all registers of the program",
       points=7, exercise="6.5", debug_at="entry_syscall",
       hint="entry_syscall and entry_syscall_leave in entry.asm: no register is free but RSP, "
            "and that is kept in percpu.user_rsp first. CR3 passes through RSP")
def test_syscall(lab: Lab) -> None:
    """Random registers on the way in, others on the way out."""
    with guest(lab) as visitor:
        entry_exit.serve_by_grader(visitor.m)
        for _ in range(24):
            entry_exit.call(visitor)
        equal(visitor.ask(SYS_getpid), 1, "getpid() by SYSCALL, after all of that,")


@check("T6.14", title="By SYSCALL no secret is seen either; lab 5's programs run, pti=on and off",
       points=6, exercise="6.5", debug_at="entry_syscall_leave",
       hint="run the shell: make run LAB=6. What is seen at the return of a system call, and is "
            "the number of free frames after all programs the same as before?")
def test_system_calls(lab: Lab) -> None:
    """SMEP and SMAP are on all the time. Whoever is killed is not seen in ring 3 any more,
    wherever it stood."""
    exposure.Tour(lab, exposure.SYSCALL).run()
    programs.check_workers(lab, exposure.SYSCALL)
    for option in ("pti=on", "pti=off"):
        programs.check_shell(lab, "", option)
    with family(lab, cmdline="pti=on") as f:
        f.begin()
        check_killed(f)


# ---- Exercise 6.6: at any time ----------------------------------------------------------------


@check("T6.15", title="An NMI or a #DB before any instruction of any way in or out does no harm",
       points=5,
       exercise="6.6", debug_at="entry_any_time",
       hint="entry_any_time in entry.asm: CS does not tell whose CR3 and GS are in use. Ask CR3 "
            "and MSR_GS_BASE themselves, remember both answers in registers that C preserves, "
            "and put back what was there")
def test_nmi(lab: Lab) -> None:
    """#DB, NMI, #DF, #MC in each state; a #DB and an NMI before each of some 250 instructions."""
    with guest(lab) as visitor:
        visitor.ask(SYS_getpid)
        with entries.stopping(visitor.m, "trap"):
            nmi.check_deliveries(visitor)
            nmi.check_every_instruction(visitor)


@check("T6.16", title="Programs live through hundreds of NMIs, and a double fault is reported",
       points=3, exercise="6.6", debug_at="entry_any_time",
       hint="entry_any_time: everything that it changes must be as before, CR3 with its "
            "SHADOW_BIT as well. #DF comes by the same way: what if the table in use is the "
            "program's?")
def test_storm(lab: Lab) -> None:
    """A tree of 31 processes by each kind of system call; then stacks that are none, with either
    table in use."""
    for suffix in ("", "-int80"):
        nmi.check_storm(lab, suffix)
    for place in nmi.BAD_STACKS:
        with guest(lab) as visitor:
            nmi.check_double_fault(visitor, place)


# ---- The same on a processor with PCIDs, which the grader plays --------------------------------


@check("T6.17", title="With PCIDs: interrupts keep both TLBs, and nothing stale is used again",
       points=3, exercise="6.4", debug_at="entry_common",
       hint="entry_common and entry_leave: `xor rax, [gs:PERCPU_CR3_SWITCH]` between the two moves "
            "of CR3. Whoever changes an entry, also in lab 5's cow.c, scheduler.c, exec.c and "
            "process.c, calls tlb_flush_page or switch_address_space (tlb.h)")
def test_pcid(lab: Lab) -> None:
    """Exceptions in both rings; then the programs of T6.11, the TLB remembering all that it may
    (grade/lab6/pcid.py)."""
    with guest(lab, pcids=True) as visitor:
        with entries.stopping(visitor.m, "trap"):
            for ring in lab.rng.sample((3, 0), 2):
                for trap in entries.traps(ring):
                    entry_exit.really(visitor, trap, ring)
    exposure.Tour(lab, exposure.INT80).run(pcids=True)


@check("T6.18", title="With PCIDs: SYSCALL and SYSRET keep both TLBs, and nothing stale is used",
       points=2, exercise="6.5", debug_at="entry_syscall",
       hint="entry_syscall and entry_syscall_leave: `xor rsp, [gs:PERCPU_CR3_SWITCH]` in both: it "
            "has SHADOW_BIT, and, with PCIDs, SHADOW_PCID and CR3_NO_FLUSH as well")
def test_pcid_syscall(lab: Lab) -> None:
    """As T6.17, by SYSCALL, with random registers."""
    with guest(lab, pcids=True) as visitor:
        entry_exit.serve_by_grader(visitor.m)
        for _ in range(6):
            entry_exit.call(visitor)
    exposure.Tour(lab, exposure.SYSCALL).run(pcids=True)


@check("T6.19", title="With PCIDs: #DB, NMI, #DF and #MC find the right table and number",
       points=2, exercise="6.6", debug_at="entry_any_time",
       hint="entry_any_time: of CR3 clear SHADOW_BIT and SHADOW_PCID. If the kernel's own table "
            "were used under the number of shadows, the TLB would show the kernel to ring 3")
def test_pcid_any_time(lab: Lab) -> None:
    """Each of the four vectors in each state of CR3 and GS."""
    with guest(lab, pcids=True) as visitor:
        with entries.stopping(visitor.m, "trap"):
            nmi.check_deliveries(visitor)
