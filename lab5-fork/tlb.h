/* tlb.h: the processor remembers what it has read in page tables. Who changes them must say so. */
#ifndef TLB_H
#define TLB_H

#include "types.h"
#include "x86.h"

/* The entry of this page, in the tables in use, is not what it was. */
static inline void tlb_flush_page(vaddr_t address)
{
    invlpg(address);
}

/* Use these tables from now on. Nothing that is remembered, of others or of these, is used again. */
static inline void switch_address_space(paddr_t root)
{
    write_cr3(root.raw);
}

#endif
