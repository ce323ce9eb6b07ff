/* window.h: physical memory as the kernel sees it: all of it, from one virtual address on. */
#ifndef WINDOW_H
#define WINDOW_H

#include "types.h"

/*
 * Say where the window begins. boot.asm's page tables already have it, on the first
 * BOOT_WINDOW_SIZE bytes; kernel_space_init makes it whole.
 */
void window_open(vaddr_t base);

/* Where the window begins, or 0 if it has not been opened. */
vaddr_t phys_offset(void);

/* The pointer to a physical address; NULL if the window is not open or the address is beyond it. */
void *phys_to_virt(paddr_t address);

#endif
