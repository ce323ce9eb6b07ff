/* process.c: processes one after the other, each from its file to its end. */
#include "process.h"
#include "address_space.h"
#include "boot_return.h"
#include "percpu.h"
#include "print.h"
#include "usermode.h"

struct process *current_process;
uint64_t user_fs_base;

error_t process_create(struct process *process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments)
{
    static int last_pid;
    error_t error = image_create(&process->image, name, file, size, arguments);
    if (error != OK)
        return error;
    error = kernel_stack_create(&process->kernel_stack);
    if (error != OK)
        address_space_destroy(process->image.root);
    else
        process->pid = ++last_pid;
    return error;
}

void process_destroy(struct process *process)
{
    address_space_destroy(process->image.root);
    kernel_stack_destroy(&process->kernel_stack);
}

/* On the process's kernel stack, which becomes the one that its entries into the kernel use. */
static int64_t enter(void *argument)
{
    const struct image *image = argument;
    user_fs_base = 0;
    return enter_usermode_returnable(image->entry, image->stack_pointer, USER_CS, USER_SS,
                                     image->root.raw, &percpu.kernel_rsp);
}

int process_run(struct process *process)
{
    struct process *before = current_process;
    struct syscall_frame *frame = percpu.frame; /* of a system call that runs a program */
    current_process = process;
    percpu.frame = NULL;
    kprintf("[USERMODE] Entering Ring 3: entry=%#lx stack=%#lx\n", process->image.entry,
            process->image.stack_pointer);
    int status = (int)run_on_stack(process->kernel_stack.top, enter, &process->image);
    current_process = before;
    percpu.frame = frame;
    return status;
}

/* The end of a system call that does not return: it is no longer being served. */
static void end(int status) __attribute__((noreturn));
static void end(int status)
{
    percpu.frame = NULL;
    boot_return_to_kernel(status);
}

void process_exit(int status)
{
    end((status & 0xff) << 8);
}

void process_kill(int signal)
{
    end(signal);
}
