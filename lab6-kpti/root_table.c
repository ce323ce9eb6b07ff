/* root_table.c: the root of a program's page tables, and the other root that ring 3 gets to see. */
#include "address_space.h"
#include "kernel_half.h"
#include "kpti.h"
#include "panic.h"
#include "string.h"
#include "window.h"

/* They are all made the same way: if the first one is good, isolation is. */
static void look_once(paddr_t root)
{
    static bool seen;
    if (kpti_is_active() && !seen && !kpti_validate_shadow_tables(root))
        panic("the first shadow table is wrong");
    seen = true;
}

error_t address_space_create(paddr_t *root)
{
    error_t error = kpti_allocate_pair(root);
    if (error != OK)
        return error;
    memset(phys_to_virt(*root), 0, OWN_ENTRIES * sizeof(pte_t));
    share_kernel_half(*root);
    kpti_create_shadow_tables(*root);
    look_once(*root);
    return OK;
}

void address_space_free_root(paddr_t root)
{
    kpti_free_pair(root);
}
