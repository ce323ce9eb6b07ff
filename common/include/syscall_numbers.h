/* syscall_numbers.h: the system calls by Linux's numbers for x86-64. */
#ifndef SYSCALL_NUMBERS_H
#define SYSCALL_NUMBERS_H

#define SYS_read 0
#define SYS_write 1
#define SYS_close 3
#define SYS_brk 12
#define SYS_writev 20
#define SYS_pipe 22
#define SYS_sched_yield 24
#define SYS_dup2 33
#define SYS_nanosleep 35
#define SYS_getpid 39
#define SYS_fork 57
#define SYS_execve 59
#define SYS_exit 60
#define SYS_wait4 61
#define SYS_kill 62
#define SYS_getppid 110
#define SYS_arch_prctl 158
#define SYS_clock_gettime 228
#define SYS_exit_group 231

/* Every number is below it. */
#define SYSCALL_LIMIT 512

#endif
