/* elf_load.c: the program loader. */
#include "elf_load.h"
#include "address_space.h"
#include "elf_check.h"
#include "not_written.h"
#include "pte.h"
#include "string.h"
#include "window.h"

/* Exercise 3.2, second part. The flags of map_user_page for a segment's ELF_ flags. */
static uint64_t page_flags(uint32_t segment_flags)
{
    /* { solution 3.2 */
    uint64_t flags = 0;
    if (segment_flags & ELF_WRITE)
        flags |= PTE_WRITABLE;
    if (!(segment_flags & ELF_EXECUTE))
        flags |= PTE_NO_EXECUTE;
    return flags;
    /* } solution */
}

/*
 * Exercise 3.2, third part. Copy into the new frame what the file has for the page at `page`: the
 * part of [virtual_address, virtual_address + file_size) that lies in it, which may begin and end
 * in the middle. The frame is zero.
 */
static void fill_page(void *frame, vaddr_t page, const struct elf_program_header *segment,
                      const char *file)
{
    /* { solution 3.2 */
    vaddr_t start = segment->virtual_address, end = start + segment->file_size;
    if (start < page)
        start = page;
    if (end > page + PAGE_SIZE)
        end = page + PAGE_SIZE;
    if (start < end)
        memcpy((char *)frame + (start - page),
               file + segment->offset + (start - segment->virtual_address), end - start);
    /* } solution */
}

static error_t load_segment(paddr_t root, const struct elf_program_header *segment,
                            const char *file)
{
    vaddr_t end = segment->virtual_address + segment->memory_size;
    vaddr_t page = round_down(segment->virtual_address, PAGE_SIZE);
    for (; page < end; page += PAGE_SIZE) {
        paddr_t frame;
        error_t error = address_space_add_page(root, page, page_flags(segment->flags), &frame);
        if (error != OK)
            return error;
        fill_page(phys_to_virt(frame), page, segment, file);
    }
    return OK;
}

error_t load_elf(paddr_t root, const void *file, uint64_t size, vaddr_t *entry)
{
    error_t error = elf_check(file, size);
    const struct elf_program_header *segment;
    for (unsigned i = 0; error == OK && (segment = elf_segment(file, i)) != NULL; i++)
        error = load_segment(root, segment, file);
    if (error == OK)
        *entry = ((const struct elf_header *)file)->entry;
    return error;
}
