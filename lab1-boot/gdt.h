/* gdt.h: segments, and the task state segment that says which stack an interrupt gets. */
#ifndef GDT_H
#define GDT_H

#include "types.h"

/* The task state segment of long mode (Intel SDM vol. 3A 7.7, figure 7-11). */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3]; /* the stack for an interrupt that comes from a less privileged ring */
    uint64_t reserved1;
    uint64_t ist[7]; /* stacks that an IDT gate can ask for; gates count from 1: ist[0] is IST 1 */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));

_Static_assert(offsetof(struct tss, rsp) == TSS_RSP0, "the processor finds RSP0 there");
_Static_assert(offsetof(struct tss, ist) == 36, "the processor finds IST1 at 36");
_Static_assert(sizeof(struct tss) == 104, "no I/O permission map follows");

extern struct tss cpu_tss;
extern uint64_t gdt[GDT_ENTRIES];

/*
 * Fill and load the GDT with the selectors of layout.h, reload every segment register from it,
 * fill the TSS with the stacks for double fault, NMI, machine check and debug exception, load TR.
 */
void gdt_init(void);

/* Descriptors (SDM vol. 3A 3.4.5 and 7.2.3). `dpl` is the ring that may use the segment. */
uint64_t code_descriptor(unsigned dpl);
uint64_t data_descriptor(unsigned dpl);

/* A TSS descriptor takes two slots of the table: descriptor[0] and descriptor[1]. */
void tss_descriptor(uint64_t descriptor[2], const struct tss *tss);

#endif
