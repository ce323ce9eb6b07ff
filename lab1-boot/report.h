/* report.h: an exception in words. */
#ifndef REPORT_H
#define REPORT_H

#include "trap.h"

/* The name of a vector by the manual, such as "#PF page fault"; never NULL. */
const char *vector_name(uint64_t vector);

/*
 * Write the error code of an exception in words into `text` of `size` bytes, which is enough at
 * 100. For #PF: what was tried, by whom, and why it failed; for the exceptions with a selector:
 * which table and entry; else nothing but the number.
 */
void describe_error(char *text, size_t size, uint64_t vector, uint64_t error);

/* Print in one line which exception it was, its error code, also in words, and where it came. */
void report_line(const struct trap_frame *frame);

/* The same, as a handler of exceptions that do no harm: trap_register. */
void report_and_go_on(struct trap_frame *frame);

/* Print the panic line, all registers, CR2 and the backtrace of a trap. Returns. */
void report_trap(const struct trap_frame *frame);

#endif
