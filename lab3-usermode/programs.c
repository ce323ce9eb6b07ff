/* programs.c: from the kernel's start to the program's, and from its end to the kernel's. */
#include "programs.h"
#include "bootinfo.h"
#include "command_line.h"
#include "frames.h"
#include "kernel_space.h"
#include "panic.h"
#include "print.h"
#include "process.h"
#include "sections.h"
#include "tlb.h"
#include "window.h"

extern const char embedded_program[], embedded_program_end[]; /* embedded.asm */

/* A program file in memory, and the line that names it and its arguments. */
struct program {
    const void *file;
    uint64_t size;
    const char *line;
};

static struct process process;
static uint64_t frames_before;

static struct program choose_program(void)
{
    struct boot_module module;
    if (bootinfo_module(0, &module))
        return (struct program){phys_to_virt(paddr(module.start)), module.end - module.start,
                                module.command_line};
    return (struct program){embedded_program, (uint64_t)(embedded_program_end - embedded_program),
                            "hello"};
}

void programs_run(void)
{
    static const char *const envp[] = {NULL};
    static struct command_line words;
    struct program program = choose_program();
    const struct arguments arguments = {words.argv, envp};

    frames_before = frames_free();
    error_t error = ERROR_ARGUMENTS;
    if (command_line_split(&words, program.line))
        error = process_create(&process, words.argv[0], program.file, program.size, &arguments);
    if (error != OK) {
        kprintf("process %s: cannot be started: %s\n", words.argv[0], error_words(error));
        kprintf("frames: %lu free before, %lu after\n", frames_before, frames_free());
        machine_exit(EXIT_OK);
    }
    kprintf("Successfully copied %lu kernel stack pages to process page table\n",
            (process.kernel_stack.top - process.kernel_stack.bottom) / PAGE_SIZE);
    process_run(&process);
}

/* On the boot stack, and in the kernel's own space: nothing of the process is in use any more. */
static int64_t clear_up(void *argument)
{
    (void)argument;
    process_destroy(&process);
    kprintf("frames: %lu free before, %lu after\n", frames_before, frames_free());
    kprintf("Rung lab 3: done\n");
    machine_exit(EXIT_OK);
}

void programs_done(void)
{
    extern struct kernel_stack boot_stack;
    switch_address_space(kernel_root);
    current_process = NULL;
    run_on_stack(stack_top(&boot_stack), clear_up, NULL);
    __builtin_unreachable(); /* clear_up leaves the machine */
}
