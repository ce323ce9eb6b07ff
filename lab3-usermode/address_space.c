/* address_space.c: what hangs below the root of a program's page tables. */
#include "address_space.h"
#include "frames.h"
#include "kernel_half.h"
#include "kernel_space.h"
#include "paging.h"
#include "panic.h"
#include "string.h"
#include "user_frames.h"
#include "window.h"

/* Free a table and all that hangs below it; of the pages only those that ring 3 may use. */
static void free_table(paddr_t table, unsigned level)
{
    const pte_t *entries = phys_to_virt(table);
    unsigned i = pte_next(entries, 0, PTE_ENTRIES);
    for (; i < PTE_ENTRIES; i = pte_next(entries, i + 1, PTE_ENTRIES)) {
        if (!pte_is_page(entries[i], level))
            free_table(pte_frame(entries[i]), level - 1);
        else if (entries[i] & PTE_USER)
            user_frame_release(pte_frame(entries[i]));
    }
    must(frame_free(table));
}

void address_space_destroy(paddr_t root)
{
    const pte_t *ours = phys_to_virt(root), *kernel = phys_to_virt(kernel_root);
    unsigned i = pte_next(ours, 0, OWN_ENTRIES);
    for (; i < OWN_ENTRIES; i = pte_next(ours, i + 1, OWN_ENTRIES)) {
        paddr_t table = pte_frame(ours[i]);
        if (table.raw != pte_frame(kernel[i]).raw) /* else it is shared, and not ours */
            free_table(table, PTE_TOP_LEVEL - 1);
    }
    address_space_free_root(root);
}

error_t address_space_add_page(paddr_t root, vaddr_t address, uint64_t flags, paddr_t *frame)
{
    error_t error = frame_alloc(frame);
    if (error != OK)
        return error;
    memset(phys_to_virt(*frame), 0, PAGE_SIZE);
    error = map_user_page(root, address, *frame, flags);
    if (error != OK)
        must(frame_free(*frame));
    return error;
}
