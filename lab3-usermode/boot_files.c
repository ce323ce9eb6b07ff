/* boot_files.c: boot information and modules, also where they lie at the edge of memory. */
#include "boot_files.h"
#include "bootinfo.h"
#include "kernel_space.h"
#include "paging.h"

/* Show every page that [start, end) touches. The window has most of them already. */
static error_t show(uint64_t start, uint64_t end)
{
    for (uint64_t page = round_down(start, PAGE_SIZE); page < end; page += PAGE_SIZE) {
        error_t error = map_page(kernel_root, WINDOW_BASE + page, paddr(page), READ_ONLY);
        if (error != OK && error != ERROR_ALREADY_MAPPED)
            return error;
    }
    return OK;
}

error_t boot_files_init(void)
{
    paddr_t info;
    uint64_t size;
    if (!bootinfo_range(&info, &size))
        return OK;
    error_t error = show(info.raw, info.raw + size);
    struct boot_module module;
    for (size_t i = 0; error == OK && bootinfo_module(i, &module); i++)
        error = show(module.start, module.end);
    return error;
}
