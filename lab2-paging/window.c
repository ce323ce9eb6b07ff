/* window.c: the window on physical memory. */
#include "window.h"

static vaddr_t window_base;

void window_open(vaddr_t base)
{
    window_base = base;
}

vaddr_t phys_offset(void)
{
    return window_base;
}

void *phys_to_virt(paddr_t address)
{
    if (window_base == 0 || address.raw >= WINDOW_SIZE)
        return NULL;
    return (void *)(window_base + address.raw);
}
