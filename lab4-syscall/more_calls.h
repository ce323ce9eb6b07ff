/* more_calls.h: the system calls that lab 4 adds. */
#ifndef MORE_CALLS_H
#define MORE_CALLS_H

/* Register brk. */
void memory_calls_init(void);

/* Register getpid, exit_group, sched_yield, arch_prctl and clock_gettime. */
void process_calls_init(void);

#endif
