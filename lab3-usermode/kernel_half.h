/* kernel_half.h: the part of an address space that is the same in all of them. */
#ifndef KERNEL_HALF_H
#define KERNEL_HALF_H

#include "types.h"

/*
 * Let a new address space see the kernel: its image and the window on physical memory. Only the two
 * entries of the level-4 table are copied, so the tables below are the same ones for everybody. The
 * kernel's stacks are not among it: see copy_kernel_stack_to_process.
 */
void share_kernel_half(paddr_t root);

#endif
