/* kernel_space.h: the kernel's own address space. */
#ifndef KERNEL_SPACE_H
#define KERNEL_SPACE_H

#include "error.h"
#include "types.h"

/* The level-4 table of the kernel, once kernel_space_init has made it. */
extern paddr_t kernel_root;

/*
 * Build the kernel's page tables and use them. They map
 *   - the image from text_start to image_end, at KERNEL_BASE + its physical address: code
 *     read-execute, constants read-only, the rest read-write; but no guard page of any stack;
 *   - every whole page of available memory in the window, read-write, with the largest pages that
 *     fit; the image's code and constants read-only there as well;
 * and nothing else: nothing in the lower half. Only code is executable.
 */
error_t kernel_space_init(void);

/* Print what the tables in use map, one line for each run of pages with the same rights. */
void kernel_space_print(void);

#endif
