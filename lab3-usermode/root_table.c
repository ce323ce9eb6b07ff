/* root_table.c: the root of a program's page tables: the level-4 table. */
#include "address_space.h"
#include "frames.h"
#include "kernel_half.h"
#include "panic.h"
#include "string.h"
#include "window.h"

error_t address_space_create(paddr_t *root)
{
    error_t error = frame_alloc(root);
    if (error != OK)
        return error;
    memset(phys_to_virt(*root), 0, OWN_ENTRIES * sizeof(pte_t));
    share_kernel_half(*root);
    return OK;
}

void address_space_free_root(paddr_t root)
{
    must(frame_free(root));
}
