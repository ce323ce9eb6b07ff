/* programs.h: which program runs. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

/* Run the first module that the boot loader brought, or else the program in the kernel image. */
void programs_run(void) __attribute__((noreturn));

/* The program has ended, and the kernel stands on its kernel stack: clear up, and leave. */
void programs_done(void) __attribute__((noreturn));

#endif
