/* memory_calls.h: the system calls on a program's memory. */
#ifndef MEMORY_CALLS_H
#define MEMORY_CALLS_H

/* Register brk. */
void memory_calls_init(void);

#endif
