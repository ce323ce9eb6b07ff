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

static pte_t *table_at(paddr_t table)
{
    return phys_to_virt(table);
}

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

/* Copy the table `from` of this level, of which `entries` entries count, into `to`, which is empty. */
static error_t clone_table(paddr_t from, paddr_t to, unsigned level, unsigned entries)
{
    pte_t *parent = table_at(from), *child = table_at(to);
    unsigned i = pte_next(parent, 0, entries);
    for (; i < entries; i = pte_next(parent, i + 1, entries)) {
        if (level == 1) {
            share_page(&parent[i], &child[i]);
            continue;
        }
        paddr_t below;
        error_t error = ensure_table_present(&child[i], true, &below);
        if (error == OK)
            error = clone_table(pte_frame(parent[i]), below, level - 1, PTE_ENTRIES);
        if (error != OK)
            return error;
    }
    return OK;
}

error_t clone_address_space(paddr_t parent, paddr_t child)
{
    error_t error = clone_table(parent, child, PTE_TOP_LEVEL, PTE_ENTRIES / 2);
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
        error_t error = copy_on_write(current_process->root, read_cr2());
        if (error == OK)
            return;
        if (error == ERROR_NO_FRAMES && (frame->cs & 3) == 3)
            process_kill(SIGKILL);
    }
    handle_other_fault(frame);
}

void cow_init(void)
{
    handle_other_fault = trap_register(VECTOR_PF, on_page_fault);
}
