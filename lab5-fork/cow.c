/* cow.c: copy on write. A page that two processes share is copied when one of them writes. */
#include "cow.h"
#include "frames.h"
#include "not_written.h"
#include "paging.h"
#include "process.h"
#include "signals.h"
#include "string.h"
#include "tlb.h"
#include "trap.h"
#include "user_frames.h"
#include "window.h"
#include "x86.h"

/*
 * Exercise 5.1 (15 points), first part. Share one page: `entry` of the parent maps it. What is
 * writable, or was until an earlier fork, becomes read-only and PTE_COW in the parent's entry; the
 * child's is the same. The frame is mapped in one more place now.
 */
static void share_page(pte_t *entry, pte_t *child)
{
    /* { solution 5.1 */
    if (*entry & PTE_WRITABLE)
        *entry = (*entry & ~(uint64_t)PTE_WRITABLE) | PTE_COW;
    *child = *entry;
    user_frame_share(pte_frame(*entry));
    /* } solution */
}

/* Copy a table into one that is empty, and all that hangs below it. */
static error_t clone_table(const struct table *parent, pte_t *child)
{
    for (unsigned i = table_next(parent, 0); i < parent->end; i = table_next(parent, i + 1)) {
        if (parent->level == 1) {
            share_page(&parent->entries[i], &child[i]);
            continue;
        }
        struct table below = table_below(parent, i);
        paddr_t copy;
        error_t error = ensure_table_present(&child[i], true, &copy);
        if (error == OK)
            error = clone_table(&below, phys_to_virt(copy));
        if (error != OK)
            return error;
    }
    return OK;
}

error_t clone_address_space(paddr_t parent, paddr_t child, struct gap gap)
{
    struct table root = table_at_root(parent, gap);
    error_t error = clone_table(&root, phys_to_virt(child));
    switch_address_space(parent); /* its pages have become read-only: the TLB does not know */
    return error;
}

/* Exercise 5.1, second part: the fault, as cow.h says. The TLB holds the old entry: see tlb.h. */
error_t copy_on_write(paddr_t root, vaddr_t address)
{
    /* { solution 5.1 */
    unsigned level;
    pte_t *entry = walk(root, address, &level);
    if (level != 1 || !pte_present(*entry) || !(*entry & PTE_COW))
        return ERROR_NOT_MAPPED;
    paddr_t frame = pte_frame(*entry);
    if (user_frame_is_shared(frame)) {
        paddr_t copy;
        error_t error = frame_alloc(&copy);
        if (error != OK)
            return error;
        memcpy(phys_to_virt(copy), phys_to_virt(frame), PAGE_SIZE);
        user_frame_release(frame);
        frame = copy;
    }
    uint64_t flags = *entry & ~(PTE_FRAME_MASK | PTE_COW);
    *entry = frame.raw | flags | PTE_WRITABLE;
    tlb_flush_page(address);
    return OK;
    /* } solution */
}

static trap_handler_t handle_other_fault;

/*
 * A write to a present page may be one that was shared. Out of memory, the program ends as on
 * Linux, by SIGKILL; a copy for it (user_copy) ends early, like on any other fault.
 */
static void on_page_fault(struct trap_frame *frame)
{
    const uint64_t write_to_present = PF_PRESENT | PF_WRITE;
    if ((frame->error & write_to_present) == write_to_present && current_process != NULL &&
        read_cr2() < USER_END) {
        error_t error = copy_on_write(current_process->image.root, read_cr2());
        if (error == OK)
            return;
        if (error == ERROR_NO_FRAMES && came_from_user(frame))
            process_kill(SIGKILL);
    }
    handle_other_fault(frame);
}

void cow_init(void)
{
    handle_other_fault = trap_register(VECTOR_PF, on_page_fault);
}
