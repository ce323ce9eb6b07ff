/* kpti.h: kernel page-table isolation: what a program cannot see, it cannot speculate about. */
#ifndef KPTI_H
#define KPTI_H

#include "error.h"
#include "pte.h"
#include "types.h"

/*
 * Build the entry area and let the processor enter the kernel there from now on, unless the command
 * line says pti=off, or pti=auto and the processor says that it does not need it. If that fails,
 * the kernel says so and runs without. Must come after all gates have been set, before
 * init_syscall: that needs the page of struct percpu.
 */
void kpti_init(void);

/* If active, let SYSCALL enter there, too. Must come after init_syscall. */
void kpti_init_syscall(void);

/* Are programs isolated? */
bool kpti_is_active(void);

/* Frames for a level-4 table and, if active, its shadow behind it; and back. ERROR_NO_FRAMES. */
error_t kpti_allocate_pair(paddr_t *root);
void kpti_free_pair(paddr_t root);

/*
 * Make the shadow of a table whose kernel half is complete: its user half is the same, and in the
 * kernel half there is the way to the entry area and nothing else. Does nothing if not active.
 */
void kpti_create_shadow_tables(paddr_t root);

/*
 * An entry of some page table has been written. If it is in the user half of a level-4 table that
 * has a shadow, write it there as well.
 */
void kpti_mirror(const pte_t *entry);

/*
 * Is the shadow of this table as it must be? Accessed bits do not count: the processor sets them in
 * either table for itself. Says on the console what is not, with numbers as %u and %#lx print them:
 *
 *     [KPTI] Mismatch at L4[n]: kernel=<entry>, shadow=<entry>      in the user half
 *     [KPTI] Shadow L4[n] unexpectedly present: <entry>             between it and the last entry
 *     [KPTI] Shadow L4[511] (trampoline) not present                also if it leads elsewhere
 */
bool kpti_validate_shadow_tables(paddr_t root);

/* What CR3 is for this table in the kernel and in ring 3, PCIDs included; false if not active. */
bool kpti_get_page_tables(paddr_t root, uint64_t *kernel_cr3, uint64_t *shadow_cr3);

#endif
