/* process.c: the one process of this lab, from its file to its end. */
#include "process.h"
#include "address_space.h"
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
    error = copy_kernel_stack_to_process(process->image.root, process->kernel_stack.bottom,
                                         process->kernel_stack.top);
    if (error != OK)
        kernel_stack_destroy(&process->kernel_stack);
    return error;
}

error_t process_create(struct process *process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments)
{
    error_t error = image_create(&process->image, name, file, size, arguments);
    if (error != OK)
        return error;
    error = give_process_a_kernel_stack(process);
    if (error != OK)
        address_space_destroy(process->image.root);
    return error;
}

void process_destroy(struct process *process)
{
    address_space_destroy(process->image.root);
    kernel_stack_destroy(&process->kernel_stack);
}

void process_run(struct process *process)
{
    const struct image *image = &process->image;
    current_process = process;
    user_fs_base = 0;
    set_kernel_stack(process->kernel_stack.top);
    switch_address_space(image->root);
    kprintf("[USERMODE] Entering Ring 3: entry=%#lx stack=%#lx\n", image->entry,
            image->stack_pointer);
    enter_usermode(image->entry, image->stack_pointer, USER_CS, USER_SS);
}

void process_exit(int status)
{
    kprintf("process %s: exited with status %d\n", current_process->image.name, status);
    programs_done();
}

void process_kill(int signal)
{
    kprintf("process %s: ended by signal %d\n", current_process->image.name, signal);
    programs_done();
}
