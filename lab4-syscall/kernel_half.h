/* kernel_half.h: the part of an address space that is the same in all of them. */
#ifndef KERNEL_HALF_H
#define KERNEL_HALF_H

#include "error.h"
#include "pte.h"

/* How many entries of a level-4 table, from the first one on, may lead to tables of its own. */
#define OWN_ENTRIES (PTE_ENTRIES / 2)

/*
 * Make the kernel's own table ready for being shared: each entry of the upper half leads to a table,
 * so that what is mapped there later is mapped for all. Once, before the first address space.
 */
error_t kernel_half_init(void);

/* Let a new address space see the kernel: all entries of the upper half are the kernel's own. */
void share_kernel_half(paddr_t root);

#endif
