/* kernel_half.h: the part of an address space that is the same in all of them. */
#ifndef KERNEL_HALF_H
#define KERNEL_HALF_H

#include "pte.h"

/* How many entries of a level-4 table, from the first one on, may lead to tables of its own. */
#define OWN_ENTRIES PTE_ENTRIES

/*
 * Let a new address space see the kernel: its image and the window on physical memory. Only the two
 * entries of the level-4 table are copied, so the tables below are the same ones for everybody. The
 * kernel's stacks are not among it: see copy_kernel_stack_to_process.
 */
void share_kernel_half(paddr_t root);

#endif
