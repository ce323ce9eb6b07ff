/*
 * tlb.c: forgetting, under both numbers.
 *
 * INVLPG and a load of CR3 flush what is remembered under the PCID in use (Intel SDM vol. 3A
 * 4.10.4.1): in C that is 0. What ring 3 has used is remembered under SHADOW_PCID, where nothing is
 * added as long as the kernel runs: so it does not matter how long after the change it is flushed.
 */
#include "tlb.h"
#include "pcid.h"
#include "x86.h"

void tlb_flush_page(vaddr_t address)
{
    invlpg(address);
    if (pcids_in_use())
        invpcid(INVPCID_ADDRESS, SHADOW_PCID, address);
}

void switch_address_space(paddr_t root)
{
    write_cr3(root.raw);
    if (pcids_in_use())
        invpcid(INVPCID_CONTEXT, SHADOW_PCID, 0);
}
