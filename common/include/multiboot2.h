/*
 * multiboot2.h: what a Multiboot2 boot loader leaves in memory (Multiboot2 specification 2.0, 3.6).
 *
 * The information is one block: a fixed part, then tags. Every tag starts 8-byte aligned and says
 * its type and its size; the padding behind it does not count in its size. The last is the end tag.
 */
#ifndef MULTIBOOT2_H
#define MULTIBOOT2_H

#include "types.h"

struct multiboot2_info {
    uint32_t total_size; /* of the whole block, this part included */
    uint32_t reserved;
};

struct multiboot2_tag {
    uint32_t type;
    uint32_t size; /* with these 8 bytes, without the padding behind */
};

enum multiboot2_tag_type {
    MULTIBOOT2_TAG_END = 0,
    MULTIBOOT2_TAG_COMMAND_LINE = 1,
    MULTIBOOT2_TAG_LOADER_NAME = 2,
    MULTIBOOT2_TAG_MODULE = 3,
    MULTIBOOT2_TAG_MEMORY_MAP = 6,
};

/* Types 1 and 2: a text that ends in a zero byte. */
struct multiboot2_tag_string {
    struct multiboot2_tag tag;
    char text[];
};

/* Type 3: a file that was loaded beside the kernel, to physical [start, end); its command line. */
struct multiboot2_tag_module {
    struct multiboot2_tag tag;
    uint32_t start;
    uint32_t end;
    char text[];
};

/* Type 6: the memory map. An entry is entry_size bytes long: perhaps more than this struct has. */
struct multiboot2_memory {
    uint64_t base;
    uint64_t length;
    uint32_t type;
    uint32_t reserved;
};

struct multiboot2_tag_memory_map {
    struct multiboot2_tag tag;
    uint32_t entry_size;
    uint32_t entry_version;
    uint8_t entries[];
};

enum multiboot2_memory_type {
    MULTIBOOT2_MEMORY_AVAILABLE = 1,
    MULTIBOOT2_MEMORY_RESERVED = 2,
    MULTIBOOT2_MEMORY_ACPI_RECLAIMABLE = 3,
    MULTIBOOT2_MEMORY_ACPI_NVS = 4,
    MULTIBOOT2_MEMORY_BAD = 5,
};

#endif
