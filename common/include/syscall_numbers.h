/* syscall_numbers.h: the system calls by Linux's numbers for x86-64. */
#ifndef SYSCALL_NUMBERS_H
#define SYSCALL_NUMBERS_H

#define SYS_write 1
#define SYS_exit 60

#define SYSCALL_LIMIT 512 /* numbers are below it */

#endif
