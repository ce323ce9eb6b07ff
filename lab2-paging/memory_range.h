/* memory_range.h: what the regions of the memory map are to a kernel that has PHYSICAL_LIMIT. */
#ifndef MEMORY_RANGE_H
#define MEMORY_RANGE_H

#include "bootinfo.h"

/* Physical memory from start up to end. */
struct range {
    uint64_t start;
    uint64_t end;
};

/* A region of the memory map, cut off at PHYSICAL_LIMIT: what its maker wrote may wrap round. */
static inline struct range region_range(const struct memory_region *region)
{
    uint64_t start = region->base < PHYSICAL_LIMIT ? region->base : PHYSICAL_LIMIT;
    uint64_t room = PHYSICAL_LIMIT - start;
    return (struct range){start, start + (region->length < room ? region->length : room)};
}

/* A region if it is usable memory; else an empty range. */
static inline struct range usable_range(const struct memory_region *region)
{
    if (region->type != MULTIBOOT2_MEMORY_AVAILABLE)
        return (struct range){0, 0};
    return region_range(region);
}

#endif
