/* fork.c: the second process: all that the first one has, and a number of its own. */
#include "fork.h"
#include "address_space.h"
#include "cow.h"
#include "image_gap.h"
#include "not_written.h"
#include "percpu.h"
#include "process.h"
#include "scheduler.h"
#include "string.h"
#include "syscall_entry.h"
#include "trap.h"
#include "x86.h"

/*
 * Exercise 5.2 (20 points), first part. SYSCALL put RIP into RCX and RFLAGS into R11, and there the
 * program will find them. RAX is 0: that is how a child knows that it is one.
 */
static void capture_syscall(struct fork_child_registers *r, const struct syscall_frame *f)
{
    /* { solution 5.2 */
    *r = (struct fork_child_registers){
        .rip = f->rcx,
        .rsp = f->rsp,
        .rflags = f->r11,
        .rax = 0,
        .rbx = f->rbx,
        .rcx = f->rcx,
        .rdx = f->rdx,
        .rsi = f->rsi,
        .rdi = f->rdi,
        .rbp = f->rbp,
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->r11,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
    };
    /* } solution */
}

static void capture_int80(struct fork_child_registers *r, const struct trap_frame *f)
{
    *r = (struct fork_child_registers){
        .rip = f->rip,
        .rsp = f->rsp,
        .rflags = f->rflags,
        .rax = 0,
        .rbx = f->rbx,
        .rcx = f->rcx,
        .rdx = f->rdx,
        .rsi = f->rsi,
        .rdi = f->rdi,
        .rbp = f->rbp,
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->r11,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
    };
}

/* An entry from ring 3 begins at the top of the process's kernel stack, and so does its frame. */
static const struct trap_frame *int80_frame(void)
{
    return (const struct trap_frame *)percpu.kernel_rsp - 1;
}

/* Here, and nowhere else, it is asked which way a call came in: only SYSCALL's entry notes a frame. */
void capture_registers(struct fork_child_registers *registers)
{
    if (percpu.frame != NULL)
        capture_syscall(registers, percpu.frame);
    else
        capture_int80(registers, int80_frame());
}

/* fork.asm: where switch_stacks goes in a new child. */
void forked_child_starts(void);

/*
 * Second part. Make the child's kernel stack look as if the child had called switch_stacks: at its
 * top the registers for ring 3; below them the address of forked_child_starts, to which the switch
 * returns, and the six registers that it pops. forked_child_starts finds RSP at the first.
 */
static void prepare_stack(struct process *child, const struct fork_child_registers *registers)
{
    /* { solution 5.2 */
    uint64_t *top = (uint64_t *)child->kernel_stack.top;
    struct fork_child_registers *copy = (struct fork_child_registers *)top - 1;
    *copy = *registers;
    uint64_t *below = (uint64_t *)copy;
    *--below = (uint64_t)forked_child_starts;
    for (int i = 0; i < 6; i++)
        *--below = 0;
    child->switch_rsp = (uint64_t)below;
    /* } solution */
}

/* What ring 3 has beside its registers: as it is now, not as it was at the last switch. */
static void copy_user_state(struct process *child)
{
    save_user_state(&current_process->user);
    child->user = current_process->user;
}

static error_t copy_memory(const struct image *parent, struct image *child)
{
    *child = *parent;
    error_t error = address_space_create(&child->root);
    if (error != OK)
        return error;
    error = clone_address_space(parent->root, child->root, image_gap(parent));
    if (error != OK)
        address_space_destroy(child->root);
    return error;
}

error_t process_fork(struct process **forked)
{
    struct process *parent = current_process, *child;
    error_t error = process_allocate(&child);
    if (error != OK)
        return error;
    error = copy_memory(&parent->image, &child->image);
    if (error != OK) {
        process_free(child);
        return error;
    }
    struct fork_child_registers registers;
    capture_registers(&registers);
    prepare_stack(child, &registers);
    copy_user_state(child);
    files_share(child->files, parent->files);
    child->parent = parent;
    *forked = child;
    return OK;
}
