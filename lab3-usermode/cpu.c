/* cpu.c: what a processor that runs programs must have switched on. */
#include "cpu.h"
#include "x86.h"

/* Intel SDM vol. 3A 9.2: how CR0 must be for an operating system with x87 and SSE. */
static void enable_fpu(void)
{
    uint64_t cr0 = read_cr0() & ~(uint64_t)(CR0_EM | CR0_TS);
    write_cr0(cr0 | CR0_MP | CR0_NE | CR0_AM);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
}

/* Or a machine check would be a shutdown, and no exception (SDM vol. 3B 15.3.1). */
static void enable_machine_checks(void)
{
    if (cpuid(CPUID_VERSION, 0).edx & CPUID_VERSION_EDX_MCE)
        write_cr4(read_cr4() | CR4_MCE);
}

static void enable_guards(void)
{
    struct cpuid features = cpuid(CPUID_FEATURES, 0);
    uint64_t guards = 0;
    if (features.ebx & CPUID_FEATURES_EBX_SMEP)
        guards |= CR4_SMEP;
    if (features.ebx & CPUID_FEATURES_EBX_SMAP)
        guards |= CR4_SMAP;
    if (features.ecx & CPUID_FEATURES_ECX_UMIP)
        guards |= CR4_UMIP;
    write_cr4(read_cr4() | guards);
}

/*
 * No LDT. After a reset there is one: 64 KiB at address 0 (SDM vol. 3A 9.1.1, table 9-1), where a
 * program may have pages, with descriptors of its own making: a call gate into ring 0, say.
 */
static void disable_ldt(void)
{
    __asm__ volatile("lldt %w0" : : "r"(0));
}

void cpu_init(void)
{
    enable_fpu();
    enable_machine_checks();
    disable_ldt();
    if (cpuid(0, 0).eax >= CPUID_FEATURES)
        enable_guards();
}
