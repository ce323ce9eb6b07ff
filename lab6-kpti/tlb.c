/*
 * tlb.c: forgetting, under both numbers.
 *
 * INVLPG and a load of CR3 flush what is remembered under the PCID in use (Intel SDM vol. 3A
 * 4.10.4.1): in C that is 0. What ring 3 has used is remembered under SHADOW_PCID, where nothing is
 * added as long as the kernel runs: so it does not matter how long after the change it is flushed.
 */
#include "tlb.h"
#include "x86.h"

static bool pcids; /* are in use */

/* Without INVPCID only a load of CR3 could flush what is remembered under the other number. */
static bool processor_has_pcids(void)
{
    if (cpuid(0, 0).eax < CPUID_FEATURES)
        return false;
    return (cpuid(CPUID_VERSION, 0).ecx & CPUID_VERSION_ECX_PCID) != 0 &&
           (cpuid(CPUID_FEATURES, 0).ebx & CPUID_FEATURES_EBX_INVPCID) != 0;
}

bool tlb_use_pcids(void)
{
    pcids = processor_has_pcids();
    if (pcids)
        write_cr4(read_cr4() | CR4_PCIDE);
    return pcids;
}

void tlb_flush_page(vaddr_t address)
{
    invlpg(address);
    if (pcids)
        invpcid(INVPCID_ADDRESS, SHADOW_PCID, address);
}

void switch_address_space(paddr_t root)
{
    write_cr3(root.raw);
    if (pcids)
        invpcid(INVPCID_CONTEXT, SHADOW_PCID, 0);
}
