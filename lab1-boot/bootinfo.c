/* bootinfo.c: the boot loader's information, kept for the rest of the kernel. */
#include "bootinfo.h"
#include "not_written.h"
#include "print.h"

static const struct multiboot2_info *boot_info; /* checked; NULL if there is none */
static paddr_t boot_info_paddr;
static uint64_t boot_info_size; /* kept here: new page tables may not show the information yet */

error_t bootinfo_init(paddr_t info)
{
    boot_info = NULL;
    if (info.raw == 0 || info.raw >= BOOT_WINDOW_SIZE)
        return ERROR_BOOT_INFO_MISSING;
    const struct multiboot2_info *candidate = (const void *)(WINDOW_BASE + info.raw);
    error_t error = multiboot2_check(candidate, BOOT_WINDOW_SIZE - info.raw);
    if (error != OK)
        return error;
    boot_info = candidate;
    boot_info_paddr = info;
    boot_info_size = candidate->total_size;
    return OK;
}

bool bootinfo_range(paddr_t *start, uint64_t *size)
{
    *start = boot_info_paddr;
    *size = boot_info_size;
    return boot_info != NULL;
}

const char *bootinfo_command_line(void)
{
    const struct multiboot2_tag_string *line = NULL;
    if (boot_info != NULL)
        line = (const void *)multiboot2_find(boot_info, MULTIBOOT2_TAG_COMMAND_LINE, 0);
    return line != NULL ? line->text : "";
}

bool bootinfo_region(size_t index, struct memory_region *region)
{
    return boot_info != NULL && multiboot2_region(boot_info, index, region);
}

/* Exercise 1.8, third part. Module `index` in the loader's order, as bootinfo.h says. */
bool bootinfo_module(size_t index, struct boot_module *module)
{
    /* { solution 1.8 */
    const struct multiboot2_tag_module *tag = NULL;
    if (boot_info != NULL)
        tag = (const void *)multiboot2_find(boot_info, MULTIBOOT2_TAG_MODULE, index);
    if (tag == NULL)
        return false;
    *module = (struct boot_module){tag->start, tag->end, tag->text};
    return true;
    /* } solution */
}

static const char *memory_type_name(uint32_t type)
{
    static const char *const names[] = {
        [MULTIBOOT2_MEMORY_AVAILABLE] = "available",
        [MULTIBOOT2_MEMORY_RESERVED] = "reserved",
        [MULTIBOOT2_MEMORY_ACPI_RECLAIMABLE] = "ACPI tables",
        [MULTIBOOT2_MEMORY_ACPI_NVS] = "ACPI NVS",
        [MULTIBOOT2_MEMORY_BAD] = "defective",
    };
    return type < ARRAY_SIZE(names) && names[type] != NULL ? names[type] : "unknown";
}

void bootinfo_print(void)
{
    kprintf("command line: %s\n", bootinfo_command_line());
    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++)
        kprintf("memory: %016lx + %12lx  %s\n", region.base, region.length,
                memory_type_name(region.type));
    struct boot_module module;
    for (size_t i = 0; bootinfo_module(i, &module); i++)
        kprintf("module: %016lx - %016lx  %s\n", module.start, module.end, module.command_line);
}
