/* kernel_half.c: what every address space shares with the kernel's own. */
#include "kernel_half.h"
#include "kernel_space.h"
#include "window.h"

void share_kernel_half(paddr_t root)
{
    const pte_t *kernel = phys_to_virt(kernel_root);
    pte_t *table = phys_to_virt(root);
    unsigned window = pte_index(WINDOW_BASE, PTE_TOP_LEVEL);
    unsigned image = pte_index(KERNEL_BASE, PTE_TOP_LEVEL);
    table[window] = kernel[window];
    table[image] = kernel[image];
}
