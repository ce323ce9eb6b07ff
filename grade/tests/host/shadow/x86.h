/*
 * x86.h, found before the real one: what only a kernel may execute becomes a function that the test
 * program defines if it needs it. Types and numbers are the real ones.
 */
#ifndef SHADOW_X86_H
#define SHADOW_X86_H

#define invlpg real_invlpg
#define lgdt real_lgdt
#define lidt real_lidt
#define ltr real_ltr
#define cpuid real_cpuid
#define read_cr0 real_read_cr0
#define read_cr2 real_read_cr2
#define read_cr3 real_read_cr3
#define read_cr4 real_read_cr4
#define write_cr3 real_write_cr3
#include "../../../../common/include/x86.h"
#undef invlpg
#undef lgdt
#undef lidt
#undef ltr
#undef cpuid
#undef read_cr0
#undef read_cr2
#undef read_cr3
#undef read_cr4
#undef write_cr3

void invlpg(vaddr_t address);
void lgdt(const struct descriptor_pointer *pointer);
void lidt(const struct descriptor_pointer *pointer);
void ltr(uint16_t selector);
struct real_cpuid cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t read_cr0(void);
uint64_t read_cr2(void);
uint64_t read_cr3(void);
uint64_t read_cr4(void);
void write_cr3(uint64_t value);

#endif
