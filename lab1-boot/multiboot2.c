/*
 * multiboot2.c: reading Multiboot2 information.
 *
 * The kernel did not write these bytes, so multiboot2_check looks at every size before anything
 * relies on it. Pure C: it is compiled for the host as well, tested and fuzzed there.
 */
#include "bootinfo.h"
#include "not_written.h"
#include "string.h"

/* The tag behind this one: sizes do not count the padding to the next multiple of 8. */
static const struct multiboot2_tag *next_tag(const struct multiboot2_tag *tag)
{
    return (const void *)((uintptr_t)tag + round_up(tag->size, 8));
}

static const struct multiboot2_tag *first_tag(const struct multiboot2_info *info)
{
    return (const void *)(info + 1);
}

/* Does the text that starts `offset` bytes into the tag end before the tag does? */
static bool text_ends(const struct multiboot2_tag *tag, size_t offset)
{
    if (tag->size <= offset)
        return false;
    const char *text = (const char *)tag + offset;
    return strnlen(text, tag->size - offset) < tag->size - offset;
}

/* Check what a tag's type promises; its size is known to fit into the block. */
static error_t check_tag(const struct multiboot2_tag *tag)
{
    switch (tag->type) {
    case MULTIBOOT2_TAG_COMMAND_LINE:
    case MULTIBOOT2_TAG_LOADER_NAME:
        return text_ends(tag, sizeof(struct multiboot2_tag_string)) ? OK : ERROR_BOOT_INFO_STRING;

    case MULTIBOOT2_TAG_MODULE: {
        const struct multiboot2_tag_module *module = (const void *)tag;
        if (!text_ends(tag, sizeof(*module)))
            return ERROR_BOOT_INFO_STRING;
        return module->start <= module->end ? OK : ERROR_BOOT_INFO_TAG;
    }
    case MULTIBOOT2_TAG_MEMORY_MAP: {
        const struct multiboot2_tag_memory_map *map = (const void *)tag;
        if (tag->size < sizeof(*map) || map->entry_size < sizeof(struct multiboot2_memory) ||
            !is_aligned(map->entry_size, 8))
            return ERROR_BOOT_INFO_TAG;
        return OK;
    }
    default: /* a tag that this kernel does not know is none of its business */
        return OK;
    }
}

error_t multiboot2_check(const struct multiboot2_info *info, uint64_t limit)
{
    if (!is_aligned((uintptr_t)info, 8))
        return ERROR_BOOT_INFO_ALIGNMENT;
    if (limit < sizeof(*info) || info->total_size > limit || info->total_size < sizeof(*info))
        return ERROR_BOOT_INFO_SIZE;

    uint64_t left = info->total_size - sizeof(*info);
    const struct multiboot2_tag *tag = first_tag(info);
    for (;;) {
        if (left < sizeof(*tag))
            return ERROR_BOOT_INFO_NO_END;
        if (tag->size < sizeof(*tag) || tag->size > left)
            return ERROR_BOOT_INFO_TAG;
        if (tag->type == MULTIBOOT2_TAG_END)
            break;
        error_t error = check_tag(tag);
        if (error != OK)
            return error;
        uint64_t step = round_up(tag->size, 8);
        left = step < left ? left - step : 0;
        tag = next_tag(tag);
    }
    return multiboot2_find(info, MULTIBOOT2_TAG_MEMORY_MAP, 0) != NULL
               ? OK
               : ERROR_BOOT_INFO_NO_MEMORY_MAP;
}

/*
 * Exercise 1.8 (15 points), first part. Go through the tags from first_tag with next_tag up to the
 * end tag, and return the one with this type before which `index` others of it have come; NULL if
 * there is none. The end tag itself is not found.
 */
const struct multiboot2_tag *multiboot2_find(const struct multiboot2_info *info, uint32_t type,
                                             size_t index)
{
    /* { solution 1.8 */
    const struct multiboot2_tag *tag = first_tag(info);
    for (; tag->type != MULTIBOOT2_TAG_END; tag = next_tag(tag))
        if (tag->type == type && index-- == 0)
            return tag;
    return NULL;
    /* } solution */
}

/*
 * Exercise 1.8, second part. Entry `index` of the memory map: entries follow each other in steps of
 * the map's entry_size, which is not always sizeof(struct multiboot2_memory). Count only entries
 * that lie in the tag as a whole. False behind the last one.
 */
bool multiboot2_region(const struct multiboot2_info *info, size_t index,
                       struct memory_region *region)
{
    /* { solution 1.8 */
    const struct multiboot2_tag_memory_map *map =
        (const void *)multiboot2_find(info, MULTIBOOT2_TAG_MEMORY_MAP, 0);
    size_t count = (map->tag.size - sizeof(*map)) / map->entry_size;
    if (index >= count)
        return false;
    const struct multiboot2_memory *entry = (const void *)(map->entries + index * map->entry_size);
    *region = (struct memory_region){entry->base, entry->length, entry->type};
    return true;
    /* } solution */
}
