/*
 * tlb.h: who changes page tables must say so. The processor remembers what it has read in them, and
 * ring 3 has a table of its own, with copies.
 */
#ifndef TLB_H
#define TLB_H

#include "kpti.h"
#include "pte.h"
#include "types.h"

/* The entry of this page, in the tables in use or in their shadow, is not what it was. */
void tlb_flush_page(vaddr_t address);

/* This entry leads to another table than before, with other rights, or to none. */
static inline void table_entry_changed(const pte_t *entry)
{
    kpti_mirror(entry);
}

/* Use these tables from now on. Nothing that is remembered, of others or of these, is used again. */
void switch_address_space(paddr_t root);

#endif
