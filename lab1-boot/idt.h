/* idt.h: the table that says where each of the 256 interrupt vectors goes. */
#ifndef IDT_H
#define IDT_H

#include "types.h"
#include "x86_bits.h"

/* An interrupt gate of long mode (Intel SDM vol. 3A 6.14.1, figure 6-8). */
struct gate {
    uint16_t offset_low; /* bits 0-15 of the handler's address */
    uint16_t selector;   /* code segment of the handler */
    uint8_t ist;         /* bits 0-2: stack from the TSS; 0: stay on the stack, or take RSP0 */
    uint8_t attributes;  /* type, DPL, present */
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 16, "the processor indexes the IDT in steps of 16");

extern struct gate idt[VECTORS];

/* Point all 256 vectors at their stubs (isr.asm), in ring 0 only, and load the table. */
void idt_init(void);

/*
 * Set one gate. It is an interrupt gate: the processor clears IF on the way in. `ist` is 0 or one
 * of the IST_ numbers; `dpl` is the least privileged ring that may raise the vector with `int n`.
 */
void idt_set_gate(unsigned vector, vaddr_t handler, unsigned ist, unsigned dpl);

#endif
