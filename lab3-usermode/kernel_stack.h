/* kernel_stack.h: the stack on which the kernel works for a program. */
#ifndef KERNEL_STACK_H
#define KERNEL_STACK_H

#include "error.h"
#include "types.h"

/* [bottom, top) is mapped in the kernel's own space; the page below bottom never is. */
struct process_kernel_stack {
    vaddr_t bottom;
    vaddr_t top;
};

/*
 * Must be called once, before the others and before the first address space is made: the kernel's
 * own tables get what all stacks have in common. ERROR_NO_FRAMES.
 */
error_t kernel_stacks_init(void);

/*
 * Take a free place in the area from KERNEL_STACKS_BASE on and map STACK_SIZE bytes of new frames
 * there, in the kernel's own space. On an error nothing is kept: ERROR_NO_STACK_SLOT,
 * ERROR_NO_FRAMES.
 */
error_t kernel_stack_create(struct process_kernel_stack *stack);

/* Unmap it and give everything back. Nobody may be standing on it. */
void kernel_stack_destroy(const struct process_kernel_stack *stack);

/*
 * Show the stack from `bottom` up to `top` to a program's address space: the frames that the
 * kernel's own space has there, every page, for the kernel only. The processor pushes its frame on
 * this stack while the program's page tables are still in use. ERROR_NO_PAGE_TABLE if root is 0;
 * ERROR_NOT_MAPPED if the kernel's space lacks a page; the errors of map_page. On an error no page
 * is left mapped.
 */
error_t copy_kernel_stack_to_process(paddr_t root, vaddr_t bottom, vaddr_t top);

/* Call function(argument) on another stack, which begins at `top`, and return what it returns. */
int64_t run_on_stack(vaddr_t top, int64_t (*function)(void *argument), void *argument);

/*
 * Tell the processor where to begin when an interrupt comes while ring 3 runs: TSS.rsp0. Before
 * gdt_init the panic of get_tss.
 */
void set_kernel_stack(vaddr_t top);

/* What set_kernel_stack set; a panic before gdt_init has filled the TSS. */
struct tss *get_tss(void);

#endif
