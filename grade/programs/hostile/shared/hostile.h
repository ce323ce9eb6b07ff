/* hostile.h: what the programs in C share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "rung.h"

#define SYS_writev 20
#define SYS_uname 63
#define SYS_clock_gettime 228
#define SYS_exit_group 231
#define WNOHANG 1
#define SIGKILL 9
#define SIGTERM 15
#define SIGCHLD 17
#define SIGCONT 18
#define SIGURG 23
#define SIGWINCH 28

#define ARCH_SET_GS 0x1001
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

#define PAGE_SIZE 0x1000
#define USER_END 0x7ffffffff000      /* the last canonical page is nobody's */
#define NOT_CANONICAL 0x800000000000 /* the first address that is none */
#define WINDOW 0xffff800000000000    /* the kernel's half begins */
#define KERNEL 0xffffffff80101000    /* in the image of Rung's kernel, and of Linux */
#define UNMAPPED 0x10000000          /* where no program has anything */

/* The head of main: programs that have no arguments need not say so. */
#define UNUSED __attribute__((unused))
#define MAIN int main(int argc UNUSED, char **argv UNUSED, char **envp UNUSED)

/* A decimal, negative or hexadecimal number. */
uint64_t number(const char *text);

/* Write a line: what was tried, and what came of it. */
void result(const char *what, long value);

/* Wait for a child, and write a line of how it ended; or of what wait4 said. */
void ended(const char *what, int pid);

/* The status of a child that ends: as wait4 gives it, without the bit for a core dump. */
int status_of(int pid);

/* Wait on a pipe's end until a byte comes; or let another process have one. */
void await(const int ends[2]);
void release(const int ends[2]);

/* Let others run for so many milliseconds. */
void rest(int milliseconds);

/* End here if this is Linux, where it would go beyond us. */
void only_on_rung(void);

/* The path of a file that lies beside the program, as whose argv[0] it was started. */
const char *beside(const char *program, const char *name);

/* The value, of which the compiler then knows nothing. */
static inline uint64_t opaque(uint64_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

#endif
