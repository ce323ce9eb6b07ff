/*
 * kernel_half.c: what every address space shares with the kernel's own: now all of it.
 *
 * Lab 3 copied the pages of a kernel stack into each address space. Linux shares the upper half of
 * the level-4 table instead, and so do we from here on: nothing is to be copied, or forgotten.
 */
#include "kernel_half.h"
#include "kernel_space.h"
#include "paging.h"
#include "string.h"
#include "window.h"

error_t kernel_half_init(void)
{
    pte_t *kernel = phys_to_virt(kernel_root);
    for (unsigned i = OWN_ENTRIES; i < PTE_ENTRIES; i++) {
        paddr_t table;
        error_t error = ensure_table_present(&kernel[i], false, &table);
        if (error != OK)
            return error;
    }
    return OK;
}

void share_kernel_half(paddr_t root)
{
    const pte_t *kernel = phys_to_virt(kernel_root);
    pte_t *table = phys_to_virt(root);
    memcpy(&table[OWN_ENTRIES], &kernel[OWN_ENTRIES], (PTE_ENTRIES - OWN_ENTRIES) * sizeof(pte_t));
}
