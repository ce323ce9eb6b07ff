/* programs.h: which programs there are. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "types.h"

/* A program file in memory, and the line that names it and its arguments. */
struct program {
    const void *file;
    uint64_t size;
    const char *line;
};

/* Program `index`: first the boot loader's modules, then those in the kernel image. */
bool programs_get(size_t index, struct program *program);

/* The first program whose line begins with this word. */
bool programs_find(const char *name, struct program *program);

/*
 * The direct-execution test: run the program `hello`, which makes its system calls by int 0x80,
 * before anything else may run. False if it did not write its 49 bytes and exit with 0.
 */
bool programs_baseline(void);

/*
 * Run one program, with the words of its line, until it and all that it forked have ended; its
 * status as process_run has it, or -1 if it cannot be started.
 */
int programs_run_one(const struct program *program);

/* Run the first module; if there is none, a few programs of the kernel image, and its shell. */
void programs_run(void);

#endif
