/* process.c: processes one after the other, each from its file to its end. */
#include "process.h"
#include "address_space.h"
#include "boot_return.h"
#include "elf_check.h"
#include "elf_load.h"
#include "percpu.h"
#include "print.h"
#include "usermode.h"

struct process *current_process;
uint64_t user_fs_base;

/* The first page behind all segments. */
static vaddr_t end_of_segments(const void *file)
{
    vaddr_t end = 0;
    const struct elf_program_header *segment;
    for (unsigned i = 0; (segment = elf_segment(file, i)) != NULL; i++)
        end = segment->virtual_address + segment->memory_size;
    return round_up(end, PAGE_SIZE);
}

error_t process_create(struct process *process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments)
{
    static int last_pid;
    *process = (struct process){.name = name};
    error_t error = address_space_create(&process->root);
    if (error != OK)
        return error;
    error = load_elf(process->root, file, size, &process->entry);
    if (error == OK)
        error = user_stack_create(process->root, arguments, file, &process->stack_pointer);
    if (error == OK)
        error = kernel_stack_create(&process->kernel_stack);
    if (error != OK) {
        address_space_destroy(process->root);
        return error;
    }
    process->heap_start = process->heap_end = end_of_segments(file);
    process->pid = ++last_pid;
    return OK;
}

void process_destroy(struct process *process)
{
    address_space_destroy(process->root);
    kernel_stack_destroy(&process->kernel_stack);
}

/* On the process's kernel stack, which becomes the one that its entries into the kernel use. */
static int64_t enter(void *argument)
{
    struct process *process = argument;
    user_fs_base = process->fs_base;
    return enter_usermode_returnable(process->entry, process->stack_pointer, USER_CS, USER_SS,
                                     process->root.raw, &percpu.kernel_rsp);
}

int process_run(struct process *process)
{
    struct process *before = current_process;
    struct syscall_frame *frame = percpu.frame; /* of a system call that runs a program */
    current_process = process;
    percpu.frame = NULL;
    kprintf("[USERMODE] Entering Ring 3: entry=%#lx stack=%#lx\n", process->entry,
            process->stack_pointer);
    int status = (int)run_on_stack(process->kernel_stack.top, enter, process);
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
