/* bootinfo.h: what the boot loader told the kernel: command line, memory map, modules. */
#ifndef BOOTINFO_H
#define BOOTINFO_H

#include "error.h"
#include "multiboot2.h"
#include "types.h"

/*
 * Take over the Multiboot2 information at a physical address below BOOT_WINDOW_SIZE. All of it is
 * checked here, once; the functions below then rely on it. On an error there is no information, and
 * they say so. It is not copied: whoever hands out memory must leave bootinfo_range alone.
 */
error_t bootinfo_init(paddr_t info);

/* Where the information lies in physical memory. False, and both 0, if there is none. */
bool bootinfo_range(paddr_t *start, uint64_t *size);

/* The kernel's command line; "" if there is none. */
const char *bootinfo_command_line(void);

/* One entry of the memory map. Entries may be in any order and may even overlap. */
struct memory_region {
    uint64_t base;
    uint64_t length;
    uint32_t type; /* enum multiboot2_memory_type; only AVAILABLE is usable memory */
};

/* Entry `index` of the memory map, counted from 0; false behind the last one. */
bool bootinfo_region(size_t index, struct memory_region *region);

/* A file that the loader put into memory at physical [start, end). */
struct boot_module {
    uint64_t start;
    uint64_t end;
    const char *command_line;
};

/* Module `index`, counted from 0 in the loader's order; false behind the last one. */
bool bootinfo_module(size_t index, struct boot_module *module);

/* Print all of it on the console. */
void bootinfo_print(void);

/* ---- The reading itself, on memory anywhere: multiboot2.c, tested and fuzzed on the host too. */

/* Check a block of which at most `limit` bytes may be read. OK: all of it can be relied on. */
error_t multiboot2_check(const struct multiboot2_info *info, uint64_t limit);

/* The tag number `index` (from 0) among those of one type, or NULL. The block has been checked. */
const struct multiboot2_tag *multiboot2_find(const struct multiboot2_info *info, uint32_t type,
                                             size_t index);

/* Entry `index` of the memory map of a checked block; false behind the last one. */
bool multiboot2_region(const struct multiboot2_info *info, size_t index,
                       struct memory_region *region);

#endif
