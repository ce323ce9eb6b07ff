/* elf_check.c: distrust of program files. Pure C: tested and fuzzed on the host as well. */
#include "elf_check.h"
#include "not_written.h"

#define HEADERS_LIMIT 0x10000 /* bytes of program headers; Linux takes no more either */

static const struct elf_program_header *program_header(const void *file, unsigned index)
{
    const struct elf_header *header = file;
    return (const void *)((const char *)file + header->program_headers +
                          index * sizeof(struct elf_program_header));
}

/* Does [offset, offset + length) lie in [0, size)? Without overflow, whatever the numbers. */
static bool lies_within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static error_t check_header(const struct elf_header *header, uint64_t size)
{
    if (size < sizeof(*header))
        return ERROR_ELF_TRUNCATED;
    if (header->magic != ELF_MAGIC)
        return ERROR_ELF_MAGIC;
    if (header->class != ELF_CLASS_64 || header->data != ELF_DATA_LITTLE ||
        header->ident_version != ELF_VERSION || header->version != ELF_VERSION)
        return ERROR_ELF_CLASS;
    if (header->type != ELF_TYPE_EXECUTABLE)
        return ERROR_ELF_TYPE;
    if (header->machine != ELF_MACHINE_X86_64)
        return ERROR_ELF_MACHINE;
    if (header->header_size != sizeof(*header) ||
        header->program_header_size != sizeof(struct elf_program_header) ||
        !is_aligned(header->program_headers, 8))
        return ERROR_ELF_HEADER;
    uint64_t table = (uint64_t)header->program_header_count * sizeof(struct elf_program_header);
    if (table > HEADERS_LIMIT)
        return ERROR_ELF_HEADER;
    return lies_within(header->program_headers, table, size) ? OK : ERROR_ELF_TRUNCATED;
}

/*
 * Exercise 3.2 (15 points), first part. Check one segment to load; `floor` is the first address
 * behind the pages of the segment before it. In this order: its bytes, if it has any, lie in the
 * file (ERROR_ELF_TRUNCATED) and are not more than it has in memory (ERROR_ELF_SIZE); address and file
 * offset are the same modulo PAGE_SIZE (ERROR_ELF_ALIGNMENT); it lies from USER_START up to
 * USER_STACK_LIMIT less a guard page (ERROR_ELF_RANGE); it begins at a page not below floor
 * (ERROR_ELF_ORDER: round the address down first); not writable and executable
 * (ERROR_ELF_WRITE_EXECUTE). Sums may overflow.
 */
static error_t check_segment(const struct elf_program_header *segment, uint64_t size, vaddr_t floor)
{
    /* { solution 3.2 */
    if (segment->file_size > 0 && !lies_within(segment->offset, segment->file_size, size))
        return ERROR_ELF_TRUNCATED;
    if (segment->file_size > segment->memory_size)
        return ERROR_ELF_SIZE;
    if ((segment->virtual_address - segment->offset) % PAGE_SIZE != 0)
        return ERROR_ELF_ALIGNMENT;
    if (segment->virtual_address < USER_START ||
        !lies_within(segment->virtual_address, segment->memory_size, USER_STACK_LIMIT - PAGE_SIZE))
        return ERROR_ELF_RANGE;
    if (round_down(segment->virtual_address, PAGE_SIZE) < floor)
        return ERROR_ELF_ORDER;
    if ((segment->flags & ELF_WRITE) && (segment->flags & ELF_EXECUTE))
        return ERROR_ELF_WRITE_EXECUTE;
    return OK;
    /* } solution */
}

/* To be loaded nowhere, from nothing. */
static bool is_empty(const struct elf_program_header *segment)
{
    return segment->file_size == 0 && segment->memory_size == 0;
}

static bool contains_entry(const struct elf_program_header *segment, vaddr_t entry)
{
    return (segment->flags & ELF_EXECUTE) != 0 && entry >= segment->virtual_address &&
           entry - segment->virtual_address < segment->memory_size;
}

error_t elf_check(const void *file, uint64_t size)
{
    const struct elf_header *header = file;
    error_t error = check_header(header, size);
    bool entry_found = false;
    vaddr_t floor = 0;
    for (unsigned i = 0; error == OK && i < header->program_header_count; i++) {
        const struct elf_program_header *segment = program_header(file, i);
        if (segment->type == ELF_SEGMENT_INTERPRETER || segment->type == ELF_SEGMENT_DYNAMIC)
            error = ERROR_ELF_INTERPRETER;
        if (segment->type == ELF_SEGMENT_STACK && (segment->flags & ELF_EXECUTE))
            error = ERROR_ELF_WRITE_EXECUTE; /* rather than start it and have it fault */
        if (segment->type != ELF_SEGMENT_LOAD || is_empty(segment))
            continue;
        error = check_segment(segment, size, floor);
        floor = round_up(segment->virtual_address + segment->memory_size, PAGE_SIZE);
        entry_found |= contains_entry(segment, header->entry);
    }
    if (error == OK && floor == 0)
        error = ERROR_ELF_NO_SEGMENT;
    if (error == OK && !entry_found)
        error = ERROR_ELF_ENTRY;
    return error;
}

const struct elf_program_header *elf_segment(const void *file, unsigned index)
{
    const struct elf_header *header = file;
    for (unsigned i = 0; i < header->program_header_count; i++) {
        const struct elf_program_header *segment = program_header(file, i);
        if (segment->type == ELF_SEGMENT_LOAD && !is_empty(segment) && index-- == 0)
            return segment;
    }
    return NULL;
}
