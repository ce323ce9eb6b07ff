/* process_calls.h: the system calls on a process itself, and its clock. */
#ifndef PROCESS_CALLS_H
#define PROCESS_CALLS_H

/* Register getpid, exit_group, sched_yield, arch_prctl and clock_gettime. */
void process_calls_init(void);

#endif
