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

bool programs_get(size_t index, struct program *program)
{
    struct boot_module module;
    if (bootinfo_module(index, &module)) {
        *program = (struct program){phys_to_virt(paddr(module.start)), module.end - module.start,
                                    module.command_line};
        return true;
    }
    if (bootinfo_module(0, &module)) /* modules, but not so many */
        return false;
    for (size_t i = 0; i <= index; i++)
        if (embedded_programs[i].name == NULL)
            return false;
    *program = from_embedded(&embedded_programs[index]);
    return true;
}

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
    struct program program;
    for (size_t i = 0; programs_get(i, &program); i++)
        programs_run_one(&program);
}
