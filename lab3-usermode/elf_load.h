/* elf_load.h: from a program file to a program in memory. */
#ifndef ELF_LOAD_H
#define ELF_LOAD_H

#include "error.h"
#include "types.h"

/*
 * Load a static ELF64 program of `size` bytes into an address space whose user half is empty, and
 * hand back the address where it starts. Every segment gets frames of its own, with exactly its
 * rights; what the file does not fill, the tails of pages too, is zero. Errors of elf_check, before
 * anything is loaded; ERROR_NO_FRAMES, after which the address space is good for nothing but being
 * destroyed.
 */
error_t load_elf(paddr_t root, const void *file, uint64_t size, vaddr_t *entry);

#endif
