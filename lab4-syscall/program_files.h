/* program_files.h: which programs there are: the boot loader's modules, and those in the kernel image. */
#ifndef PROGRAM_FILES_H
#define PROGRAM_FILES_H

#include "types.h"

/* A program file in memory, and the line that names it and its arguments. */
struct program {
    const void *file;
    uint64_t size;
    const char *line;
};

/* Program `index`: first the modules, then those in the kernel image. */
bool programs_get(size_t index, struct program *program);

/* The first program that has this name: it is the first word of its line. */
bool programs_find(const char *name, struct program *program);

/* How many of them are modules. */
size_t programs_brought(void);

/* The program of the direct-execution test: hello, which makes its system calls by int 0x80. */
struct program programs_first(void);

#endif
