/* fork_calls.h: the system calls by which processes come, wait and go. */
#ifndef FORK_CALLS_H
#define FORK_CALLS_H

/* Register fork, wait4, getppid, kill, sched_yield and nanosleep. */
void fork_calls_init(void);

#endif
