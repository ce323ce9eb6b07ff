/* program_files.c: finding program files. */
#include "program_files.h"
#include "bootinfo.h"
#include "string.h"
#include "window.h"

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

size_t programs_brought(void)
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
    index -= programs_brought();
    for (size_t i = 0; i <= index; i++)
        if (embedded_programs[i].name == NULL)
            return false;
    *program = from_embedded(&embedded_programs[index]);
    return true;
}

/* The first word of a line is its program's name. */
static size_t name_length(const char *line)
{
    size_t length = 0;
    while (line[length] != ' ' && line[length] != '\0')
        length++;
    return length;
}

bool programs_find(const char *name, struct program *program)
{
    size_t length = strlen(name);
    for (size_t i = 0; length > 0 && programs_get(i, program); i++)
        if (name_length(program->line) == length && strncmp(program->line, name, length) == 0)
            return true;
    return false;
}

struct program programs_first(void)
{
    return from_embedded(&embedded_baseline);
}
