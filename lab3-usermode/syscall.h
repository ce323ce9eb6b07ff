/* syscall.h: what a program can ask the kernel for. */
#ifndef SYSCALL_H
#define SYSCALL_H

#include "syscall_numbers.h"
#include "types.h"

/*
 * A system call gets up to six arguments, by Linux's convention from rdi, rsi, rdx, r10, r8 and r9.
 * What it returns goes into RAX; from -4095 to -1 it is an error of errno.h.
 */
typedef int64_t (*syscall_t)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* A function with fewer arguments as a syscall_t: it finds them in their registers all the same. */
#define SYSCALL(function) ((syscall_t)(void (*)(void))(function))

extern syscall_t syscall_table[SYSCALL_LIMIT];

/* Let `function` serve the system call `number`, which is below SYSCALL_LIMIT. */
void syscall_register(unsigned number, syscall_t function);

/* Who serves it: for a number that nobody serves, a function that says -ENOSYS. */
syscall_t syscall_lookup(uint64_t number);

#endif
