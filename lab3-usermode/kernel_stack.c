/* kernel_stack.c: one stack in the kernel for each program. */
#include "kernel_stack.h"
#include "bitset.h"
#include "frames.h"
#include "gdt.h"
#include "kernel_space.h"
#include "not_written.h"
#include "paging.h"
#include "panic.h"
#include "window.h"

#define STRIDE (STACK_GUARD_SIZE + STACK_SIZE) /* a guard page, then the stack */

static struct bitset free_slots;
static uint64_t free_slots_memory[KERNEL_STACKS / 64 + BITSET_LEVELS];

error_t kernel_stacks_init(void)
{
    assert(bitset_bytes(KERNEL_STACKS) <= sizeof(free_slots_memory));
    bitset_init(&free_slots, free_slots_memory, KERNEL_STACKS);
    bitset_add(&free_slots, 0, KERNEL_STACKS);

    pte_t *entries = phys_to_virt(kernel_root);
    paddr_t table;
    return ensure_table_present(&entries[pte_index(KERNEL_STACKS_BASE, PTE_TOP_LEVEL)], false,
                                &table);
}

/* Take [bottom, end) out of a space; the frames are freed only if they are ours to free. */
static void unmap_stack(paddr_t root, vaddr_t bottom, vaddr_t end, bool free_frames)
{
    for (vaddr_t page = bottom; page < end; page += PAGE_SIZE) {
        paddr_t frame;
        must(unmap_page(root, page, &frame));
        if (free_frames)
            must(frame_free(frame));
    }
}

static error_t map_new_page(vaddr_t page)
{
    paddr_t frame;
    error_t error = frame_alloc(&frame);
    if (error != OK)
        return error;
    error = map_page(kernel_root, page, frame, READ_WRITE);
    if (error != OK)
        must(frame_free(frame));
    return error;
}

error_t kernel_stack_create(struct process_kernel_stack *stack)
{
    uint64_t slot;
    if (!bitset_next(&free_slots, 0, &slot))
        return ERROR_NO_STACK_SLOT;
    stack->bottom = KERNEL_STACKS_BASE + slot * STRIDE + STACK_GUARD_SIZE;
    stack->top = stack->bottom + STACK_SIZE;
    for (vaddr_t page = stack->bottom; page < stack->top; page += PAGE_SIZE) {
        error_t error = map_new_page(page);
        if (error != OK) {
            unmap_stack(kernel_root, stack->bottom, page, true);
            return error;
        }
    }
    bitset_remove(&free_slots, slot, slot + 1);
    return OK;
}

void kernel_stack_destroy(const struct process_kernel_stack *stack)
{
    uint64_t slot = (stack->bottom - KERNEL_STACKS_BASE) / STRIDE;
    unmap_stack(kernel_root, stack->bottom, stack->top, true);
    bitset_add(&free_slots, slot, slot + 1);
}

/* Exercise 3.4 (10 points). Copy the mappings, not the memory: see kernel_stack.h. */
error_t copy_kernel_stack_to_process(paddr_t root, vaddr_t bottom, vaddr_t top)
{
    /* { solution 3.4 */
    if (root.raw == 0)
        return ERROR_NO_PAGE_TABLE;
    for (vaddr_t page = bottom; page < top; page += PAGE_SIZE) {
        paddr_t frame;
        error_t error = translate(kernel_root, page, &frame);
        if (error == OK)
            error = map_page(root, page, frame, READ_WRITE);
        if (error != OK) {
            unmap_stack(root, bottom, page, false);
            return error;
        }
    }
    return OK;
    /* } solution */
}

struct tss *get_tss(void)
{
    if (cpu_tss.ist[IST_DOUBLE_FAULT - 1] == 0)
        panic("the TSS is used before gdt_init has filled it");
    return &cpu_tss;
}

/* Exercise 3.5 (10 points). get_tss() has the task state segment; rsp[0] is for ring 0. */
void set_kernel_stack(vaddr_t top)
{
    /* { solution 3.5 */
    get_tss()->rsp[0] = top;
    /* } solution */
}
