/*
 * frames.c: the allocator of physical frames.
 *
 * Two sets of frame numbers. `owned` are the frames that the allocator was given at the start:
 * usable memory that nothing was in. `available` are those of them that are free now. With both, a
 * frame that is freed twice and one that never was ours are told apart, and neither does harm.
 */
#include "frames.h"
#include "bitset.h"
#include "memory_range.h"
#include "not_written.h"
#include "print.h"
#include "sections.h"
#include "window.h"

#define LOW_MEMORY 0x100000 /* the BIOS's data and, later, what starts another processor */

static struct bitset owned;
static struct bitset available;
static struct range own_tables; /* where the words of the two sets lie */

/*
 * Exercise 2.1 (15 points), first part. What must not be given away: range number `index` in
 * *range, counted from 0 in any order, false behind the last. They are: memory below LOW_MEMORY;
 * the kernel image (from boot_start, which is a physical address already, to image_end);
 * own_tables; the boot information (bootinfo_range); every module; and every region of the memory
 * map (region_range) that is not available, because regions may overlap. A range may be empty.
 */
static bool reserved_range(size_t index, struct range *range)
{
    /* { solution 2.1 */
    paddr_t info;
    uint64_t info_size;
    bootinfo_range(&info, &info_size);
    const struct range fixed[] = {
        {0, LOW_MEMORY},
        {(uint64_t)boot_start, image_paddr(image_end).raw},
        own_tables,
        {info.raw, info.raw + info_size},
    };
    if (index < ARRAY_SIZE(fixed)) {
        *range = fixed[index];
        return true;
    }
    index -= ARRAY_SIZE(fixed);

    struct boot_module module;
    for (size_t i = 0; bootinfo_module(i, &module); i++) {
        if (index-- == 0) {
            *range = (struct range){module.start, module.end};
            return true;
        }
    }
    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++) {
        if (region.type != MULTIBOOT2_MEMORY_AVAILABLE && index-- == 0) {
            *range = region_range(&region);
            return true;
        }
    }
    return false;
    /* } solution */
}

uint64_t frame_limit(void)
{
    uint64_t end = 0;
    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++) {
        struct range range = usable_range(&region);
        if (range.start < range.end && range.end > end)
            end = range.end;
    }
    return end >> PAGE_SHIFT;
}

/* The first reserved range that `room` overlaps. */
static bool overlaps_reserved(const struct range *room, struct range *reserved)
{
    for (size_t i = 0; reserved_range(i, reserved); i++)
        if (reserved->start < room->end && room->start < reserved->end)
            return true;
    return false;
}

/* Find room for `bytes` in a usable region below BOOT_WINDOW_SIZE, clear of all reserved ranges. */
static bool find_room(uint64_t bytes, struct range *room)
{
    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++) {
        struct range usable = usable_range(&region);
        if (usable.end > BOOT_WINDOW_SIZE)
            usable.end = BOOT_WINDOW_SIZE;
        room->start = round_up(usable.start, PAGE_SIZE);
        room->end = room->start + bytes;
        while (room->end <= usable.end) {
            struct range reserved;
            if (!overlaps_reserved(room, &reserved))
                return true;
            room->start = round_up(reserved.end, PAGE_SIZE); /* try behind it */
            room->end = room->start + bytes;
        }
    }
    return false;
}

/*
 * Exercise 2.1, second part. Put every frame that lies in a usable region as a whole into `owned`;
 * then take out every frame of which a reserved range has as much as one byte. Regions and ranges
 * need not begin or end at a page.
 */
static void fill_owned(void)
{
    /* { solution 2.1 */
    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++) {
        struct range usable = usable_range(&region);
        bitset_add(&owned, round_up(usable.start, PAGE_SIZE) >> PAGE_SHIFT,
                   usable.end >> PAGE_SHIFT);
    }
    struct range reserved;
    for (size_t i = 0; reserved_range(i, &reserved); i++)
        if (reserved.start < reserved.end)
            bitset_remove(&owned, reserved.start >> PAGE_SHIFT,
                          round_up(reserved.end, PAGE_SIZE) >> PAGE_SHIFT);
    /* } solution */
}

error_t frames_init(void)
{
    paddr_t info;
    uint64_t info_size;
    if (!bootinfo_range(&info, &info_size))
        return ERROR_NO_BOOT_INFO;
    if (phys_offset() == 0)
        return ERROR_NO_WINDOW;

    uint64_t limit = frame_limit();
    uint64_t bytes = bitset_bytes(limit);
    struct range room;
    if (!find_room(2 * bytes, &room))
        return ERROR_NO_FRAMES;
    own_tables = room;
    char *memory = phys_to_virt(paddr(room.start));
    bitset_init(&owned, memory, limit);
    fill_owned();
    bitset_copy(&available, memory + bytes, &owned);
    return OK;
}

/* Exercise 2.2 (15 points). Allocate and free, as frames.h says. bitset.h has all that it takes. */
error_t frame_alloc(paddr_t *frame)
{
    /* { solution 2.2 */
    return frame_alloc_run(1, frame);
    /* } solution */
}

error_t frame_alloc_run(uint64_t count, paddr_t *first)
{
    /* { solution 2.2 */
    uint64_t start;
    if (count == 0)
        return ERROR_COUNT;
    bool found = count == 1 ? bitset_next(&available, 0, &start)
                            : bitset_run(&available, count, &start);
    if (!found)
        return ERROR_NO_FRAMES;
    bitset_remove(&available, start, start + count);
    *first = paddr(start << PAGE_SHIFT);
    return OK;
    /* } solution */
}

error_t frame_free(paddr_t frame)
{
    /* { solution 2.2 */
    if (!is_aligned(frame.raw, PAGE_SIZE))
        return ERROR_UNALIGNED;
    uint64_t number = frame.raw >> PAGE_SHIFT;
    if (!bitset_has(&owned, number))
        return ERROR_FOREIGN_FRAME;
    if (bitset_has(&available, number))
        return ERROR_DOUBLE_FREE;
    bitset_add(&available, number, number + 1);
    return OK;
    /* } solution */
}

error_t frame_alloc_pair(paddr_t *first)
{
    uint64_t start;
    if (!bitset_pair(&available, &start))
        return ERROR_NO_FRAMES;
    bitset_remove(&available, start, start + 2);
    *first = paddr(start << PAGE_SHIFT);
    return OK;
}

uint64_t frames_free(void)
{
    return available.count;
}

uint64_t frames_total(void)
{
    return owned.count;
}
