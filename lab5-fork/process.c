/* process.c: the process table, and a process from its first moment to its last. */
#include "process.h"
#include "boot_return.h"
#include "image_gap.h"
#include "kernel_space.h"
#include "panic.h"
#include "percpu.h"
#include "scheduler.h"
#include "string.h"
#include "tlb.h"
#include "usermode.h"
#include "x86.h"

struct process *current_process;
struct process process_table[MAX_PROCESSES];
unsigned process_table_end;
uint64_t user_fs_base;

static int last_pid;
static unsigned alive;
static unsigned started;

static struct process *first_process(void)
{
    return &process_table[0];
}

/* The numbers begin again some time, and somebody may still have one of the first. */
static int next_pid(void)
{
    do
        last_pid = last_pid % PID_LIMIT + 1;
    while (process_find(last_pid) != NULL);
    return last_pid;
}

/*
 * A place keeps its kernel stack when its process is gone, for the next one: to map and unmap four
 * pages for each fork would be most of its cost. free_kernel_stacks gives them back in the end.
 */
static error_t take_place(struct process *p)
{
    struct process_kernel_stack stack = p->kernel_stack;
    if (stack.top == 0) {
        error_t error = kernel_stack_create(&stack);
        if (error != OK)
            return error;
    }
    memset(p, 0, offsetof(struct process, user)); /* that is always saved before it is loaded */
    p->kernel_stack = stack;
    p->kernel_rsp = stack.top;
    p->pid = next_pid();
    p->state = PROCESS_BLOCKED; /* on nothing: until somebody makes it ready */
    return OK;
}

static void free_kernel_stacks(void)
{
    for (unsigned i = 0; i < process_table_end; i++) {
        if (process_table[i].kernel_stack.top != 0)
            kernel_stack_destroy(&process_table[i].kernel_stack);
        process_table[i].kernel_stack.top = 0;
    }
}

error_t process_allocate(struct process **process)
{
    for (unsigned i = 0; i < MAX_PROCESSES; i++) {
        struct process *p = &process_table[i];
        if (p->state != PROCESS_UNUSED)
            continue;
        error_t error = take_place(p);
        if (error != OK)
            return error;
        if (i == process_table_end)
            process_table_end++;
        alive++;
        started++;
        *process = p;
        return OK;
    }
    return ERROR_NO_PROCESS;
}

void process_free(struct process *process)
{
    if (process->state != PROCESS_ZOMBIE)
        alive--;
    process->state = PROCESS_UNUSED;
}

struct process *process_find(int pid)
{
    for (unsigned i = 0; i < process_table_end; i++)
        if (process_table[i].state != PROCESS_UNUSED && process_table[i].pid == pid)
            return &process_table[i];
    return NULL;
}

unsigned processes_alive(void)
{
    return alive;
}

unsigned processes_started(void)
{
    return started;
}

error_t process_create(struct process **created, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments)
{
    struct process *process;
    error_t error = process_allocate(&process);
    if (error != OK)
        return error;
    error = image_create(&process->image, name, file, size, arguments);
    if (error != OK) {
        process_free(process);
        free_kernel_stacks();
        return error;
    }
    files_open_console(process->files);
    *created = process;
    return OK;
}

/* On the first process's kernel stack, where the way back to the boot context is kept. */
static int64_t enter(void *argument)
{
    current_process = argument;
    const struct image *image = &current_process->image;
    user_fs_base = 0;
    return enter_usermode_returnable(image->entry, image->stack_pointer, USER_CS, USER_SS,
                                     image->root.raw, &percpu.kernel_rsp);
}

int process_run(struct process *first)
{
    first->state = PROCESS_RUNNING;
    run_on_stack(first->kernel_stack.top, enter, first);
    current_process = NULL;
    process_free(first);
    free_kernel_stacks();
    return first->status;
}

/*
 * Tell a zombie's parent, which may be waiting for it. If there is none, nobody will ever ask how it
 * ended, and its place is free. The first process's never is: on its stack lies the way back.
 */
static void tell_parent(struct process *zombie)
{
    if (zombie->parent != NULL)
        wakeup(zombie->parent);
    else if (zombie != first_process())
        process_free(zombie);
}

/* Its children get the first process as their parent, if that is still there to wait for them. */
static void give_children_away(const struct process *parent)
{
    bool first_lives = first_process()->state != PROCESS_ZOMBIE;
    for (unsigned i = 0; i < process_table_end; i++) {
        struct process *child = &process_table[i];
        if (child->state != PROCESS_UNUSED && child->parent == parent) {
            child->parent = first_lives ? first_process() : NULL;
            if (child->state == PROCESS_ZOMBIE)
                tell_parent(child);
        }
    }
}

/*
 * The end. All that the process had is given back, but its place in the table and the stack that we
 * stand on: those wait until its parent has asked for the status (wait4), or until the end of all.
 * Without a parent the place is free before we leave its stack, and switch_to saves into it. That
 * harms nobody: only a fork takes a place, and until the switch no process runs that could.
 */
static void end(int status) __attribute__((noreturn));
static void end(int status)
{
    struct process *process = current_process;
    cli();
    percpu.frame = NULL;
    switch_address_space(kernel_root);
    image_destroy(&process->image);
    process->image.root = kernel_root;
    files_close_all(process->files);
    process->status = status;
    process->state = PROCESS_ZOMBIE;
    give_children_away(process);
    tell_parent(process);
    if (--alive == 0)
        boot_return_to_kernel(status);
    schedule();
    panic("process %d runs after its end", process->pid);
}

void process_exit(int status)
{
    end((status & 0xff) << 8);
}

void process_kill(int signal)
{
    end(signal);
}
