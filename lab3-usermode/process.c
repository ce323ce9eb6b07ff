/* process.c: the one process of this lab, from its file to its end. */
#include "process.h"
#include "address_space.h"
#include "elf_load.h"
#include "kernel_space.h"
#include "panic.h"
#include "print.h"
#include "programs.h"
#include "tlb.h"
#include "usermode.h"

struct process *current_process;
uint64_t user_fs_base;

static error_t give_process_a_kernel_stack(struct process *process)
{
    error_t error = kernel_stack_create(&process->kernel_stack);
    if (error != OK)
        return error;
    error = copy_kernel_stack_to_process(process->root, process->kernel_stack.bottom,
                                         process->kernel_stack.top);
    if (error != OK)
        kernel_stack_destroy(&process->kernel_stack);
    return error;
}

error_t process_create(struct process *process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments)
{
    *process = (struct process){.name = name};
    error_t error = address_space_create(&process->root);
    if (error != OK)
        return error;
    error = load_elf(process->root, file, size, &process->entry);
    if (error == OK)
        error = user_stack_create(process->root, arguments, file, &process->stack_pointer);
    if (error == OK)
        error = give_process_a_kernel_stack(process);
    if (error != OK)
        address_space_destroy(process->root);
    return error;
}

void process_destroy(struct process *process)
{
    address_space_destroy(process->root);
    kernel_stack_destroy(&process->kernel_stack);
}

void process_run(struct process *process)
{
    current_process = process;
    user_fs_base = process->fs_base;
    set_kernel_stack(process->kernel_stack.top);
    switch_address_space(process->root);
    kprintf("[USERMODE] Entering Ring 3: entry=%#lx stack=%#lx\n", process->entry,
            process->stack_pointer);
    enter_usermode(process->entry, process->stack_pointer, USER_CS, USER_SS);
}

void process_exit(int status)
{
    kprintf("process %s: exited with status %d\n", current_process->name, status);
    programs_done();
}

void process_kill(int signal)
{
    kprintf("process %s: ended by signal %d\n", current_process->name, signal);
    programs_done();
}
