/* safe_frames.c: the last line of defence against handing out a page table. */
#include "safe_frames.h"
#include "frames.h"
#include "not_written.h"
#include "pte.h"
#include "string.h"
#include "window.h"

/*
 * Exercise 2.7 (5 points), first part. Is `frame` the table `table` of this level, or one below it?
 * Pages are not tables, whatever their size; and what a level-1 table points to is pages only.
 */
static bool table_contains(paddr_t table, unsigned level, paddr_t frame)
{
    /* { solution 2.7 */
    if (table.raw == frame.raw)
        return true;
    if (level == 1)
        return false;
    const pte_t *entries = phys_to_virt(table);
    for (unsigned i = 0; i < PTE_ENTRIES; i++)
        if (pte_present(entries[i]) && !pte_is_page(entries[i], level) &&
            table_contains(pte_frame(entries[i]), level - 1, frame))
            return true;
    return false;
    /* } solution */
}

bool is_page_table_frame(paddr_t root, paddr_t frame)
{
    return table_contains(root, PTE_TOP_LEVEL, frame);
}

static bool any_is_table(paddr_t root, paddr_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (is_page_table_frame(root, paddr_add(first, i * PAGE_SIZE)))
            return true;
    return false;
}

/* Exercise 2.7, second part. Allocate, as safe_frames.h says. */
error_t allocate_safe_frames(paddr_t root, uint64_t count, paddr_t *first)
{
    /* { solution 2.7 */
    for (int i = 0; i < SAFE_FRAME_TRIES; i++) {
        paddr_t candidate;
        error_t error = frame_alloc_run(count, &candidate);
        if (error != OK)
            return error;
        if (!any_is_table(root, candidate, count)) {
            memset(phys_to_virt(candidate), 0, count * PAGE_SIZE);
            *first = candidate;
            return OK;
        }
    }
    return ERROR_NO_SAFE_FRAMES;
    /* } solution */
}
