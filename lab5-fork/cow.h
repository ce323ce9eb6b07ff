/* cow.h: copy on write: two address spaces, one memory, until one of them writes. */
#ifndef COW_H
#define COW_H

#include "error.h"
#include "user_tables.h"

/*
 * Make a copy of the user half of `parent`, which has nothing in the gap, in `child`, whose user half
 * is empty: new tables, the same frames. What was writable is afterwards read-only and PTE_COW in
 * both, and the TLB knows. `parent` is the address space in use. ERROR_NO_FRAMES, after which the
 * child is good for nothing but being destroyed, and the parent is as good as before.
 */
error_t clone_address_space(paddr_t parent, paddr_t child, struct gap gap);

/*
 * The program wrote to `address`, which is present and not writable. If the page is PTE_COW make it
 * writable, with a frame of its own: the old one if nobody else has it any more, or else a copy.
 * ERROR_NOT_MAPPED if it is not such a page; ERROR_NO_FRAMES.
 */
error_t copy_on_write(paddr_t root, vaddr_t address);

/* Let page faults of programs, and of user_copy for them, come to copy_on_write first. */
void cow_init(void);

#endif
