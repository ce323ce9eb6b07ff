"""Lab 5: processes: fork, copy on write, wait, exec. What earns points.

A student's kernel stops at the first exercise that is not written. So processes are made and moved
by the grader's hand as far as must be: a puppet's system call is held in the kernel, and the
functions of the exercise are called from there. The tools are in grade/lab5/."""

from __future__ import annotations

from grade.check import check
from grade.lab import Lab
from grade.lab4.state import PAGE
from grade.lab5 import sharing
from grade.lab5.family import Failing, family
from grade.lab5.sharing import Halves, Side, Write
from grade.outcome import equal, expect

# ---- Exercise 5.1: copy on write ---------------------------------------------------------------


@check("T5.1", title="A copy of an address space has the same frames, and nobody can write them",
       points=5, exercise="5.1", debug_at="clone_address_space",
       hint="share_page in cow.c: the parent's entry changes first, then the child's becomes the "
            "same, and the frame counts one more place. A page that an earlier fork shared is not "
            "writable, and is PTE_COW: it stays so")
def test_clone(lab: Lab) -> None:
    """U-23, E23; T5.2 of the audit: both tables walked, counts, a second generation, the end."""
    with family(lab) as f:
        f.begin()
        sharing.plant_code(f)
        f.into_kernel()
        pages = sharing.enrich(f)
        root, free = f.m.regs.cr3, f.free()
        before = sharing.user_half(f, root)
        f.back()
        for va in pages:
            sharing.store(f, va, f.rng.getrandbits(64))  # the TLB knows it as writable
        f.into_kernel()
        child = sharing.clone(f, root)
        Halves(before, sharing.user_half(f, root), sharing.user_half(f, child)).check()
        sharing.check_tables(f, root, child)
        sharing.check_counts(f, before, True, "after clone_address_space")
        grandchild = sharing.clone(f, child)
        f.m.set_regs(cr3=root)
        Halves(before, sharing.user_half(f, child), sharing.user_half(f, grandchild)).check()
        for each, shared in ((child, True), (grandchild, False)):
            f.m.call("address_space_destroy", each)
            sharing.check_counts(f, before, shared, "after an address space has been destroyed")
        equal(f.free(), free, "frames_free() when both copies have been destroyed")


@check("T5.2", title="Who writes to a shared page gets one of its own, and the last owner keeps it",
       points=7, exercise="5.1", debug_at="copy_on_write",
       hint="copy_on_write in cow.c: only an entry of level 1 that is present and PTE_COW; "
            "user_frame_is_shared says whether to copy; PTE_COW goes, PTE_WRITABLE comes; the TLB "
            "may hold what was there before. In gdb: `map ADDRESS` before and after")
def test_copy(lab: Lab) -> None:
    """T5.2: from either side, by ring 3 and by the kernel; read-only pages stay what they are."""
    with family(lab) as f:
        f.begin()
        sharing.plant_code(f)
        f.into_kernel()
        pages = sharing.enrich(f, 6)
        root = f.m.regs.cr3
        sharing.refuses(f, root)
        f.back()
        for va in pages:
            sharing.store(f, va, f.rng.getrandbits(64))
        f.into_kernel()
        sides = [Side("the parent", root), Side("the child", sharing.clone(f, root))]
        f.back()
        for va in f.rng.sample(pages[:-2], len(pages) - 2):
            writer, other = f.rng.sample(sides, 2)
            Write(f, writer, other, va).first()
            Write(f, other, writer, va).last()
        sharing.kernel_writes(f, root, sides[1].root, f.program.data + 2 * PAGE)
        f.into_kernel()
        third = sharing.clone(f, root)
        f.back()
        sharing.be(f, root)
        sharing.check_freshness(f, root, pages[0])
        sharing.be(f, third)
        sharing.killed(f, f.program.constants + 16, sharing.SIGSEGV,
                       "a write to a page that can only be read, after a fork")


@check("T5.3", title="Without memory for a table or a copy nothing is lost, and nothing is broken",
       points=3, exercise="5.1", debug_at="copy_on_write",
       hint="copy_on_write: frame_alloc before anything changes; if it fails, the page stays shared "
            "and ERROR_NO_FRAMES is returned")
def test_no_memory(lab: Lab) -> None:
    """Every frame_alloc of a clone and of a copy fails once; the program ends as on Linux."""
    with family(lab) as f:
        f.begin()
        sharing.plant_code(f)
        f.into_kernel()
        sharing.enrich(f, 3)
        sharing.clone_without_memory(f)
    with family(lab) as f:
        f.begin()
        sharing.plant_code(f)
        f.into_kernel()
        root = f.m.regs.cr3
        child, va, free = sharing.clone(f, root), f.program.data, f.free()
        failing = Failing(f.m)
        failing.left = 1
        equal(f.called("copy_on_write", root, va), "ERROR_NO_FRAMES",
              "the error of copy_on_write when its frame_alloc fails")
        expect(sharing.page(f, root, va).frame == sharing.page(f, child, va).frame
               and sharing.is_shared(f, sharing.page(f, root, va).frame) and f.free() == free,
               "copy_on_write failed, and the page is not shared any more", "nothing has changed")
        f.back()
        failing.left = 1
        equal(f.ask(sharing.CLOCK_GETTIME, 1, va), -14,
              "clock_gettime to a shared page when there is no frame for the copy")
        sharing.store(f, va + PAGE, 1)
        failing.left = 1
        sharing.killed(f, va, sharing.SIGKILL, "a write to a shared page without a frame for a copy")
