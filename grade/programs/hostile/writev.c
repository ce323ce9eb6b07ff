/*
 * writev.c: many pieces of which one is bad.
 * Labs: 4
 * Prints: first
 * Prints: then nothing there: 6
 * Prints: then the kernel: -14
 * Prints: then a negative length: -22
 * Prints: the list is nowhere: -14
 * Prints: the list is the kernel's: -14
 * Prints: no list: 0
 * Prints: too long a list: -22
 * Prints: a negative list: -22
 * Prints: no such file, no list: -9
 * Prints: no such file, too long a list: -9
 * Prints: first
 * Prints: then 0 bytes of nothing: 6
 * Ends: exit 0
 */
#include "shared/hostile.h"

struct piece {
    uint64_t address, length;
};

static const char first[] = "first\n";

/* Write a good piece and then this one. */
static void attempt(const char *what, uint64_t address, uint64_t length)
{
    struct piece list[] = {{(uintptr_t)first, 6}, {address, length}};
    result(what, system_call(SYS_writev, 1, list, 2));
}

MAIN
{
    attempt("then nothing there", UNMAPPED, 10);
    attempt("then the kernel", KERNEL, 10);
    attempt("then a negative length", (uintptr_t)first, 1ULL << 63);
    result("the list is nowhere", system_call(SYS_writev, 1, UNMAPPED, 1));
    result("the list is the kernel's", system_call(SYS_writev, 1, KERNEL, 1));
    result("no list", system_call(SYS_writev, 1, UNMAPPED, 0));
    result("too long a list", system_call(SYS_writev, 1, UNMAPPED, 1025));
    result("a negative list", system_call(SYS_writev, 1, UNMAPPED, -1));
    result("no such file, no list", system_call(SYS_writev, 99, UNMAPPED, 0));
    result("no such file, too long a list", system_call(SYS_writev, 99, UNMAPPED, 1025));
    attempt("then 0 bytes of nothing", UNMAPPED, 0);
    return 0;
}
