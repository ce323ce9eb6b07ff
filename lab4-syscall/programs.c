/* programs.c: programs, one after the other. */
#include "programs.h"
#include "command_line.h"
#include "print.h"
#include "process.h"

static void print_end(const struct process *process, int status)
{
    if (status & 0x7f)
        kprintf("process %d %s: ended by signal %d\n", process->pid, process->image.name,
                status & 0x7f);
    else
        kprintf("process %d %s: exited with status %d\n", process->pid, process->image.name,
                status >> 8 & 0xff);
}

int programs_run_one(const struct program *program)
{
    static const char *const envp[] = {NULL};
    struct command_line words;
    struct process process;
    const struct arguments arguments = {words.argv, envp};
    error_t error = ERROR_ARGUMENTS;
    if (command_line_split(&words, program->line))
        error = process_create(&process, words.argv[0], program->file, program->size, &arguments);
    if (error != OK) {
        kprintf("process %s: cannot be started: %s\n", words.argv[0], error_words(error));
        return -1;
    }
    int status = process_run(&process);
    print_end(&process, status);
    process_destroy(&process);
    return status;
}

/* All modules; without any, all programs of the kernel image. */
void programs_run(void)
{
    struct program program;
    size_t modules = programs_brought();
    for (size_t i = 0; modules == 0 || i < modules; i++) {
        if (!programs_get(i, &program))
            return;
        programs_run_one(&program);
    }
}
