/* gdt.c: segments, and the task state segment. Long mode ignores most of both, but not all. */
#include "gdt.h"
#include "not_written.h"
#include "sections.h"
#include "x86.h"

/* Bits of a descriptor (Intel SDM vol. 3A figure 3-8). Code and data have no base and no limit. */
#define DESCRIPTOR_ACCESSED (1ULL << 40) /* set here, so that the processor need not write it */
#define DESCRIPTOR_WRITABLE (1ULL << 41) /* of data; of code it means readable */
#define DESCRIPTOR_CODE (1ULL << 43)
#define DESCRIPTOR_NOT_SYSTEM (1ULL << 44)
#define DESCRIPTOR_DPL_SHIFT 45
#define DESCRIPTOR_PRESENT (1ULL << 47)
#define DESCRIPTOR_LONG (1ULL << 53)
#define DESCRIPTOR_TSS_AVAILABLE (0x9ULL << 40)

uint64_t gdt[GDT_ENTRIES];
struct tss cpu_tss;

KERNEL_STACK struct kernel_stack double_fault_stack;
KERNEL_STACK struct kernel_stack nmi_stack;
KERNEL_STACK struct kernel_stack machine_check_stack;
KERNEL_STACK struct kernel_stack debug_stack;

/*
 * Exercise 1.4 (15 points), first part: the three kinds of descriptor. Code has DESCRIPTOR_LONG
 * and is readable; data is writable and must not have DESCRIPTOR_LONG. A TSS descriptor has
 * its limit, sizeof(struct tss) - 1, in bits 0-15, and its base in pieces: bits 16-39, bits 56-63,
 * and the second slot's lower half.
 */
uint64_t code_descriptor(unsigned dpl)
{
    /* { solution 1.4 */
    return DESCRIPTOR_PRESENT | DESCRIPTOR_NOT_SYSTEM | DESCRIPTOR_CODE | DESCRIPTOR_WRITABLE |
           DESCRIPTOR_ACCESSED | DESCRIPTOR_LONG | (uint64_t)dpl << DESCRIPTOR_DPL_SHIFT;
    /* } solution */
}

uint64_t data_descriptor(unsigned dpl)
{
    /* { solution 1.4 */
    return DESCRIPTOR_PRESENT | DESCRIPTOR_NOT_SYSTEM | DESCRIPTOR_WRITABLE | DESCRIPTOR_ACCESSED |
           (uint64_t)dpl << DESCRIPTOR_DPL_SHIFT;
    /* } solution */
}

void tss_descriptor(uint64_t descriptor[2], const struct tss *tss)
{
    /* { solution 1.4 */
    uint64_t base = (uint64_t)tss;
    descriptor[0] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | DESCRIPTOR_TSS_AVAILABLE |
                    DESCRIPTOR_PRESENT | (base >> 24 & 0xff) << 56;
    descriptor[1] = base >> 32;
    /* } solution */
}

/*
 * Exercise 1.4, second part: the stacks of the interrupt stack table. An entry holds what RSP
 * starts from (stack_top), and gates count from 1. io_map_base beyond the segment's limit means
 * that there is no I/O permission map.
 */
static void fill_tss(void)
{
    /* { solution 1.4 */
    cpu_tss.ist[IST_DOUBLE_FAULT - 1] = stack_top(&double_fault_stack);
    cpu_tss.ist[IST_NMI - 1] = stack_top(&nmi_stack);
    cpu_tss.ist[IST_MACHINE_CHECK - 1] = stack_top(&machine_check_stack);
    cpu_tss.ist[IST_DEBUG - 1] = stack_top(&debug_stack);
    cpu_tss.io_map_base = sizeof(cpu_tss);
    /* } solution */
}

/* Load the table, and every segment register from it: until then they keep what they held. */
static void load_gdt(void)
{
    struct descriptor_pointer pointer = {.limit = sizeof(gdt) - 1, .base = (uint64_t)gdt};
    lgdt(&pointer);
    __asm__ volatile("pushq %[code]\n\t" /* CS can only be loaded by a far transfer */
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %[data], %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs"
                     :
                     : [code] "i"(SELECTOR_KERNEL_CODE), [data] "i"(SELECTOR_KERNEL_DATA)
                     : "rax", "memory");
    ltr(SELECTOR_TSS);
}

void gdt_init(void)
{
    fill_tss();
    gdt[SELECTOR_KERNEL_CODE / 8] = code_descriptor(0);
    gdt[SELECTOR_KERNEL_DATA / 8] = data_descriptor(0);
    tss_descriptor(&gdt[SELECTOR_TSS / 8], &cpu_tss);
    gdt[SELECTOR_USER_DATA / 8] = data_descriptor(3);
    gdt[SELECTOR_USER_CODE / 8] = code_descriptor(3);
    load_gdt();
}
