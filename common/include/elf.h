/* elf.h: the parts of an ELF64 file that a loader reads (System V gABI, chapters 4 and 5). */
#ifndef ELF_H
#define ELF_H

#include "types.h"

#define ELF_MAGIC 0x464c457f /* "\x7f" "ELF", as a little-endian number */

#define ELF_CLASS_64 2
#define ELF_DATA_LITTLE 1
#define ELF_VERSION 1
#define ELF_TYPE_EXECUTABLE 2
#define ELF_MACHINE_X86_64 62

/* Types and flags of a segment. */
#define ELF_SEGMENT_LOAD 1
#define ELF_SEGMENT_DYNAMIC 2
#define ELF_SEGMENT_INTERPRETER 3
#define ELF_SEGMENT_STACK 0x6474e551 /* GNU's: the rights that the stack is to have */
#define ELF_EXECUTE 1
#define ELF_WRITE 2
#define ELF_READ 4

struct elf_header {
    uint32_t magic;
    uint8_t class, data, ident_version, os_abi;
    uint8_t padding[8];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_headers; /* file offset */
    uint64_t section_headers; /* file offset */
    uint32_t flags;
    uint16_t header_size;
    uint16_t program_header_size, program_header_count;
    uint16_t section_header_size, section_header_count;
    uint16_t section_names;
};

struct elf_program_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t virtual_address;
    uint64_t physical_address;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t alignment;
};

_Static_assert(sizeof(struct elf_header) == 64, "gABI figure 4-3");
_Static_assert(sizeof(struct elf_program_header) == 56, "gABI figure 5-1");

#endif
