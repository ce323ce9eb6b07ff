/* pcid.c: does the processor have PCIDs, and can they be used? */
#include "pcid.h"
#include "x86.h"

static bool in_use;

/* Without INVPCID only a load of CR3 could flush what is remembered under the other number. */
static bool processor_has_pcids(void)
{
    if (cpuid(0, 0).eax < CPUID_FEATURES)
        return false;
    return (cpuid(CPUID_VERSION, 0).ecx & CPUID_VERSION_ECX_PCID) != 0 &&
           (cpuid(CPUID_FEATURES, 0).ebx & CPUID_FEATURES_EBX_INVPCID) != 0;
}

bool pcids_use(void)
{
    in_use = processor_has_pcids();
    if (in_use)
        write_cr4(read_cr4() | CR4_PCIDE);
    return in_use;
}

bool pcids_in_use(void)
{
    return in_use;
}
