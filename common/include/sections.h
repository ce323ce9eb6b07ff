/* sections.h: where the linker script put the parts of the kernel image. Take their addresses. */
#ifndef SECTIONS_H
#define SECTIONS_H

#include "types.h"

/* Virtual addresses; every one but bss_* is page aligned. */
extern char image_start[], image_end[];   /* the whole image in memory, .bss included */
extern char text_start[], text_end[];     /* code: read and execute */
extern char rodata_start[], rodata_end[]; /* constants: read */
extern char data_start[], data_end[];     /* all that is written: .data, stacks, .bss */
extern char stacks_start[], stacks_end[]; /* an array of struct kernel_stack */
extern char bss_start[], bss_end[];       /* cleared by boot.asm */

/* Where lab 6's entry code lies; it runs at TRAMPOLINE_VADDR. */
extern char entry_image_start[], entry_image_end[];

/* The boot code runs at its physical address; the same bytes are seen at KERNEL_BASE too. */
extern char boot_start[], boot_end[];

/*
 * A kernel stack with the page below it that must never be mapped: a stack that overflows then
 * faults at once instead of eating its neighbour. Put into section .stacks with KERNEL_STACK.
 */
struct kernel_stack {
    uint8_t guard[STACK_GUARD_SIZE];
    uint8_t memory[STACK_SIZE];
};

#define KERNEL_STACK __attribute__((section(".stacks"), aligned(PAGE_SIZE)))

/* The address that RSP starts from: one past the last byte. */
static inline vaddr_t stack_top(const struct kernel_stack *stack)
{
    return (vaddr_t)(stack->memory + STACK_SIZE);
}

/* The physical address of something in the kernel image. */
static inline paddr_t image_paddr(const void *address)
{
    return paddr((vaddr_t)address - KERNEL_BASE);
}

#endif
