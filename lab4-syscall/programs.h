/* programs.h: which programs run. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "program_files.h"

/*
 * The direct-execution test: run the program `hello`, which makes its system calls by int 0x80,
 * before anything else may run. False if it did not write its 49 bytes and exit with 0.
 */
bool programs_baseline(void);

/*
 * Run one program, with the words of its line, to its end and that of all that it forked; its status
 * as process_run has it, or -1 if it cannot be started.
 */
int programs_run_one(const struct program *program);

/* Run what the boot loader brought, or else programs of the kernel image: programs.c says which. */
void programs_run(void);

#endif
