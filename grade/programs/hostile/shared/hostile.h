/* hostile.h: what the programs in C share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "rung.h"

#define SYS_writev 20
#define SYS_clock_gettime 228
#define SYS_exit_group 231
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

/* The value, of which the compiler then knows nothing. */
static inline uint64_t opaque(uint64_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

#endif
