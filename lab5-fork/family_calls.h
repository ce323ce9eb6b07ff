/* family_calls.h: the system calls by which processes come, wait and go. */
#ifndef FAMILY_CALLS_H
#define FAMILY_CALLS_H

/* Register fork, wait4, getppid, kill, sched_yield and nanosleep. */
void family_calls_init(void);

/* Register execve. */
void exec_call_init(void);

#endif
