/* image.c: from a program's file to a program in memory. */
#include "image.h"
#include "address_space.h"
#include "elf_check.h"
#include "elf_load.h"
#include "string.h"

/* The first page behind all segments. */
static vaddr_t end_of_segments(const void *file)
{
    vaddr_t end = 0;
    const struct elf_program_header *segment;
    for (unsigned i = 0; (segment = elf_segment(file, i)) != NULL; i++)
        end = segment->virtual_address + segment->memory_size;
    return round_up(end, PAGE_SIZE);
}

error_t image_create(struct image *image, const char *name, const void *file, uint64_t size,
                     const struct arguments *arguments)
{
    memset(image, 0, sizeof(*image));
    memcpy(image->name, name, strnlen(name, NAME_SIZE - 1));
    error_t error = address_space_create(&image->root);
    if (error != OK)
        return error;
    error = load_elf(image->root, file, size, &image->entry);
    if (error == OK)
        error = user_stack_create(image->root, arguments, file, &image->stack_pointer);
    if (error != OK) {
        address_space_destroy(image->root);
        return error;
    }
    image->heap_start = image->heap_end = end_of_segments(file);
    return OK;
}
