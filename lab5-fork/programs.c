/* programs.c: programs, each with all that it forks, one after the other. */
#include "programs.h"
#include "command_line.h"
#include "print.h"
#include "process.h"

static void print_end(const char *name, int pid, int status)
{
    if (status & 0x7f)
        kprintf("process %d %s: ended by signal %d\n", pid, name, status & 0x7f);
    else
        kprintf("process %d %s: exited with status %d\n", pid, name, status >> 8 & 0xff);
}

int programs_run_one(const struct program *program)
{
    static const char *const envp[] = {NULL};
    struct command_line words;
    struct process *process;
    const struct arguments arguments = {words.argv, envp};
    error_t error = ERROR_ARGUMENTS;
    if (command_line_split(&words, program->line))
        error = process_create(&process, words.argv[0], program->file, program->size, &arguments);
    if (error != OK) {
        kprintf("process %s: cannot be started: %s\n", words.argv[0], error_words(error));
        return -1;
    }
    int pid = process->pid;
    int status = process_run(process);
    print_end(words.argv[0], pid, status);
    return status;
}

/* The first module; without any, a few programs of the kernel image, and its shell. */
void programs_run(void)
{
    static const char *const shown[] = {"cow", "family", "sh"};
    struct program program;
    if (programs_brought() > 0) {
        if (programs_get(0, &program))
            programs_run_one(&program);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        if (programs_find(shown[i], &program))
            programs_run_one(&program);
}
