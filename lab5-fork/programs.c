/* programs.c: the programs that there are, and running them one after the other. */
#include "programs.h"
#include "bootinfo.h"
#include "calls.h"
#include "command_line.h"
#include "print.h"
#include "process.h"
#include "string.h"
#include "window.h"

#define BASELINE_BYTES 49

/* embedded.asm: a list that ends with a name of NULL. */
struct embedded {
    const char *name;
    const char *start;
    const char *end;
};
extern const struct embedded embedded_baseline, embedded_programs[];

static struct program from_embedded(const struct embedded *e)
{
    return (struct program){e->start, (uint64_t)(e->end - e->start), e->name};
}

static size_t module_count(void)
{
    struct boot_module module;
    size_t count = 0;
    while (bootinfo_module(count, &module))
        count++;
    return count;
}

bool programs_get(size_t index, struct program *program)
{
    struct boot_module module;
    if (bootinfo_module(index, &module)) {
        *program = (struct program){phys_to_virt(paddr(module.start)), module.end - module.start,
                                    module.command_line};
        return true;
    }
    index -= module_count();
    for (size_t i = 0; i <= index; i++)
        if (embedded_programs[i].name == NULL)
            return false;
    *program = from_embedded(&embedded_programs[index]);
    return true;
}

bool programs_find(const char *name, struct program *program)
{
    size_t length = strlen(name);
    for (size_t i = 0; length > 0 && programs_get(i, program); i++) {
        const char *line = program->line;
        if (strncmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == '\0'))
            return true;
    }
    return false;
}

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

bool programs_baseline(void)
{
    kprintf("=== CRITICAL BASELINE TEST: Direct Hello World Execution ===\n");
    struct program baseline = from_embedded(&embedded_baseline);
    uint64_t written = console_bytes_written();
    int status = programs_run_one(&baseline);
    written = console_bytes_written() - written;
    kprintf("BASELINE: status %#x, %lu bytes written\n", (unsigned)status, written);
    return status == 0 && written == BASELINE_BYTES;
}

void programs_run(void)
{
    static const char *const shown[] = {"cow", "family", "sh"};
    struct program program;
    if (module_count() > 0) {
        if (programs_get(0, &program))
            programs_run_one(&program);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        if (programs_find(shown[i], &program))
            programs_run_one(&program);
}
