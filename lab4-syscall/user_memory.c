/*
 * user_memory.c: a program's pointers are followed, and a fault on the way is part of the plan.
 *
 * Lab 3 looked every page up first. That costs a walk for each copy, and with a second processor
 * the answer would be old by the time it is used. So: check the range, which is two comparisons,
 * and let the processor do the rest.
 */
#include "user_memory.h"
#include "not_written.h"
#include "process.h"
#include "trap.h"
#include "user_range.h"
#include "user_stack.h"
#include "x86.h"

/* user_copy.asm: the copy itself, the one instruction that may fault, and where it then goes on. */
size_t user_copy(void *to, const void *from, size_t size);
extern const char user_copy_access[], user_copy_faulted[];

/*
 * Exercise 4.4 (15 points), first part. user_copy on what is_user_range lets through: it returns how
 * much was not copied.
 */
size_t copy_from_user(void *to, vaddr_t from, size_t size)
{
    /* { solution 4.4 */
    if (!is_user_range(from, size))
        return 0;
    return size - user_copy(to, (const void *)from, size);
    /* } solution */
}

size_t copy_to_user(vaddr_t to, const void *from, size_t size)
{
    /* { solution 4.4 */
    if (!is_user_range(to, size))
        return 0;
    return size - user_copy((void *)to, from, size);
    /* } solution */
}

static trap_handler_t handle_other_fault;

/*
 * Second part. A page fault. If it was not user_copy's access, in ring 0 and at that frame->rip, it
 * is somebody else's: handle_other_fault. Else, if the page was not there and is one that the stack
 * may have (user_stack_grow), try again; or go on at user_copy_faulted.
 */
static void on_page_fault(struct trap_frame *frame)
{
    /* { solution 4.4 */
    if (came_from_user(frame) || frame->rip != (vaddr_t)user_copy_access) {
        handle_other_fault(frame);
        return;
    }
    if ((frame->error & PF_PRESENT) == 0 &&
        user_stack_grow(current_process->image.root, read_cr2()))
        return;
    frame->rip = (vaddr_t)user_copy_faulted;
    /* } solution */
}

void user_memory_init(void)
{
    handle_other_fault = trap_register(VECTOR_PF, on_page_fault);
}
