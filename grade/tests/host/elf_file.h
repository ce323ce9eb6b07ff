/*
 * elf_file.h: a writer of program files (System V gABI, chapters 4 and 5), by numbers of its own:
 * the header under test is not used.
 */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include "host.h"

enum { HEADER = 64, PROGRAM_HEADER = 56, ROOM = 4096 };
enum { LOAD = 1, DYNAMIC = 2, INTERPRETER = 3, NOTE = 4 };
enum { EXECUTE = 1, WRITE = 2, READ = 4 };

/* Where the fields are: those of the file, and those of a program header. */
enum {
    AT_MAGIC = 0,
    AT_CLASS = 4,
    AT_DATA = 5,
    AT_IDENT_VERSION = 6,
    AT_TYPE = 16,
    AT_MACHINE = 18,
    AT_VERSION = 20,
    AT_ENTRY = 24,
    AT_HEADERS = 32,
    AT_HEADER_SIZE = 52,
    AT_PROGRAM_HEADER_SIZE = 54,
    AT_COUNT = 56
};
enum { P_TYPE = 0, P_FLAGS = 4, P_OFFSET = 8, P_ADDRESS = 16, P_FILE = 32, P_MEMORY = 40 };

struct elf_file {
    uint8_t bytes[ROOM];
    size_t size;
    unsigned segments;
};

HELPER void put_number(struct elf_file *file, size_t at, uint64_t value, size_t bytes)
{
    memcpy(file->bytes + at, &value, bytes); /* little-endian, like the processor */
}

HELPER uint64_t get_number(const struct elf_file *file, size_t at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, file->bytes + at, bytes);
    return value;
}

HELPER size_t segment_at(unsigned index)
{
    return HEADER + PROGRAM_HEADER * (size_t)index;
}

/* Another field of a segment: 4 bytes wide are the type and the flags, 8 the others. */
HELPER void put_field(struct elf_file *file, unsigned segment, size_t field, uint64_t value)
{
    put_number(file, segment_at(segment) + field, value, field < P_OFFSET ? 4 : 8);
}

HELPER uint64_t get_field(const struct elf_file *file, unsigned segment, size_t field)
{
    return get_number(file, segment_at(segment) + field, field < P_OFFSET ? 4 : 8);
}

HELPER void file_begin(struct elf_file *file, uint64_t entry)
{
    memset(file, 0, sizeof(*file));
    memcpy(file->bytes, "\177ELF\2\1\1", 7);
    put_number(file, AT_TYPE, 2, 2);
    put_number(file, AT_MACHINE, 62, 2);
    put_number(file, AT_VERSION, 1, 4);
    put_number(file, AT_ENTRY, entry, 8);
    put_number(file, AT_HEADERS, HEADER, 8);
    put_number(file, AT_HEADER_SIZE, HEADER, 2);
    put_number(file, AT_PROGRAM_HEADER_SIZE, PROGRAM_HEADER, 2);
    file->size = HEADER;
}

HELPER void file_segment(struct elf_file *file, uint32_t type, uint32_t flags, uint64_t address,
                         uint64_t offset, uint64_t file_size, uint64_t memory_size)
{
    unsigned index = file->segments++;
    put_field(file, index, P_TYPE, type);
    put_field(file, index, P_FLAGS, flags);
    put_field(file, index, P_OFFSET, offset);
    put_field(file, index, P_ADDRESS, address);
    put_field(file, index, P_FILE, file_size);
    put_field(file, index, P_MEMORY, memory_size);
    put_number(file, AT_COUNT, file->segments, 2);
    file->size = segment_at(file->segments);
}

/* In memory that ends where the file does: ASan watches. */
HELPER void *exact_file(const struct elf_file *file)
{
    void *copy = room(file->size);
    memcpy(copy, file->bytes, file->size);
    return copy;
}

#endif
