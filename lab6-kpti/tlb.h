/* tlb.h: the processor remembers what it has read in page tables. Who changes them must say so. */
#ifndef TLB_H
#define TLB_H

#include "types.h"

/*
 * Give ring 3 a PCID of its own, SHADOW_PCID, if the processor can. Then what the kernel remembers
 * and what ring 3 remembers is kept apart, and a load of CR3 with CR3_NO_FLUSH forgets neither. CR3
 * must hold PCID 0. Says whether PCIDs are in use.
 */
bool tlb_use_pcids(void);

/* The entry of this page, in the tables in use or in their shadow, is not what it was. */
void tlb_flush_page(vaddr_t address);

/* Use these tables from now on. Nothing that is remembered, of others or of these, is used again. */
void switch_address_space(paddr_t root);

#endif
