/* idt.c: the interrupt descriptor table. */
#include "idt.h"
#include "not_written.h"
#include "x86.h"

#define GATE_PRESENT 0x80
#define GATE_DPL_SHIFT 5
#define GATE_INTERRUPT 0x0e /* SDM vol. 3A table 3-2: 64-bit interrupt gate */

struct gate idt[VECTORS];

/* The entry points of isr.asm, one for each vector. */
extern const vaddr_t isr_stubs[VECTORS];

/*
 * Exercise 1.5 (10 points). Fill idt[vector] as figure 6-8 of the manual shows; the handler runs in
 * the kernel's code segment.
 */
void idt_set_gate(unsigned vector, vaddr_t handler, unsigned ist, unsigned dpl)
{
    /* { solution 1.5 */
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)handler,
        .selector = SELECTOR_KERNEL_CODE,
        .ist = (uint8_t)ist,
        .attributes = (uint8_t)(GATE_PRESENT | dpl << GATE_DPL_SHIFT | GATE_INTERRUPT),
        .offset_middle = (uint16_t)(handler >> 16),
        .offset_high = (uint32_t)(handler >> 32),
    };
    /* } solution */
}

/* Those that may come while the stack is bad, or in the middle of anything, get a new stack. */
static unsigned ist_for(unsigned vector)
{
    switch (vector) {
    case VECTOR_DF:
        return IST_DOUBLE_FAULT;
    case VECTOR_NMI:
        return IST_NMI;
    case VECTOR_MC:
        return IST_MACHINE_CHECK;
    case VECTOR_DB:
        return IST_DEBUG;
    default:
        return 0;
    }
}

void idt_init(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++)
        idt_set_gate(vector, isr_stubs[vector], ist_for(vector), 0);
    struct descriptor_pointer pointer = {.limit = sizeof(idt) - 1, .base = (uint64_t)idt};
    lidt(&pointer);
}
