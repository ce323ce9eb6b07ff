/* elf_check.h: is this a program that the kernel can run? */
#ifndef ELF_CHECK_H
#define ELF_CHECK_H

#include "elf.h"
#include "error.h"

/*
 * Look at a file of `size` bytes, of which nothing can be trusted, before anything of it is loaded.
 * OK means that elf_segment and the header's entry can be relied on: it is a static x86-64 program;
 * its segments lie in the file as a whole, and in the memory of programs below the stack; they
 * ascend and share no page; none is writable and executable; it starts in an executable one.
 */
error_t elf_check(const void *file, uint64_t size);

/* Segment `index` of those to load, of a file that has been checked; NULL behind the last. */
const struct elf_program_header *elf_segment(const void *file, unsigned index);

#endif
