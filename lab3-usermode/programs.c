/* programs.c: from the kernel's start to the program's, and from its end to the kernel's. */
#include "programs.h"
#include "bootinfo.h"
#include "frames.h"
#include "kernel_space.h"
#include "panic.h"
#include "print.h"
#include "process.h"
#include "sections.h"
#include "string.h"
#include "tlb.h"
#include "window.h"

#define LINE_LIMIT 256
#define ARGUMENT_LIMIT (LINE_LIMIT / 2) /* a line holds no more words */

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

/* Cut a line into words at its blanks; argv gets them, and a NULL. */
static void split(char *line, const char *argv[ARGUMENT_LIMIT + 1])
{
    size_t argc = 0;
    while (argc < ARGUMENT_LIMIT) {
        while (*line == ' ')
            line++;
        if (*line == '\0')
            break;
        argv[argc++] = line;
        while (*line != ' ' && *line != '\0')
            line++;
        if (*line == ' ')
            *line++ = '\0';
    }
    argv[argc] = NULL;
}

void programs_run(void)
{
    static char line[LINE_LIMIT];
    static const char *argv[ARGUMENT_LIMIT + 1];
    static const char *const envp[] = {NULL};

    struct program program = choose_program();
    size_t length = strnlen(program.line, LINE_LIMIT);
    memcpy(line, program.line, length < LINE_LIMIT ? length : LINE_LIMIT - 1);
    split(line, argv);
    if (argv[0] == NULL)
        argv[0] = "program";

    frames_before = frames_free();
    const struct arguments arguments = {argv, envp};
    error_t error = ERROR_ARGUMENTS;
    if (length < LINE_LIMIT)
        error = process_create(&process, argv[0], program.file, program.size, &arguments);
    if (error != OK) {
        kprintf("process %s: cannot be started: %s\n", argv[0], error_words(error));
        kprintf("frames: %lu free before, %lu after\n", frames_before, frames_free());
        machine_exit(EXIT_OK);
    }
    kprintf("Successfully copied %lu kernel stack pages to process page table\n",
            (process.kernel_stack.top - process.kernel_stack.bottom) / PAGE_SIZE);
    process_run(&process);
}

/* On the boot stack, and in the kernel's own space: nothing of the process is in use any more. */
static void __attribute__((noreturn, used)) clear_up(void)
{
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
    __asm__ volatile("movq %0, %%rsp\n\txorl %%ebp, %%ebp\n\tcall clear_up"
                     :
                     : "r"(stack_top(&boot_stack))
                     : "memory");
    __builtin_unreachable();
}
