/* user_stack.h: the stack that a program starts with, and how it grows. */
#ifndef USER_STACK_H
#define USER_STACK_H

#include "error.h"
#include "types.h"

/* What a program is started with. Each list ends with NULL. */
struct arguments {
    const char *const *argv;
    const char *const *envp;
};

/*
 * Map the first page of the stack, below USER_STACK_TOP, and lay out in it what the psABI promises
 * (x86-64 psABI 3.4.1, figure 3.9): argc, the pointers of argv and of envp with their NULLs, the
 * auxiliary vector, and above them the strings. *pointer is what RSP starts with: it points to
 * argc and is a multiple of 16. `program` is the file, which has been checked, for the auxiliary
 * vector. ERROR_ARGUMENTS if it does not fit into a page; ERROR_NO_FRAMES.
 */
error_t user_stack_create(paddr_t root, const struct arguments *arguments, const void *program,
                          vaddr_t *pointer);

/*
 * If `address` is in the part of memory that the stack may have, and nothing is mapped there, map a
 * page of zeroes. Returns whether it did.
 */
bool user_stack_grow(paddr_t root, vaddr_t address);

#endif
