/*
 * wait-arguments.c: every argument of wait4 counts, and each option that there is.
 * Labs: 5
 * Prints: the lowest number: -3
 * Prints: a group that there is not: -10
 * Prints: children that are clones: -10
 * Prints: all of them: 5
 * Prints: our threads' own: 6
 * Prints: usage that cannot be written: -14
 * Prints: and it is gone: -10
 * Prints: of our group: 8
 * Prints: usage was written: 1
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define WNOTHREAD 0x20000000
#define WALL 0x40000000
#define WCLONE 0x80000000

static int child_that_exits(int status)
{
    int child = fork();
    if (child == 0)
        exit(status);
    return child;
}

static void attempt(const char *what, long pid, long options, uint64_t usage)
{
    int status = 0;
    long waited = system_call(SYS_wait4, pid, &status, options, usage);
    result(what, waited > 0 ? status >> 8 : waited);
}

MAIN
{
    unsigned char usage[144];
    for (unsigned i = 0; i < sizeof(usage); i++)
        usage[i] = 0xee;
    int child = child_that_exits(5);
    attempt("the lowest number", INT32_MIN, 0, 0);
    attempt("a group that there is not", -child, 0, 0);
    attempt("children that are clones", -1, WCLONE, 0);
    attempt("all of them", child, WALL | WCLONE, 0);
    attempt("our threads' own", child_that_exits(6), WNOTHREAD, 0);
    child = child_that_exits(7);
    attempt("usage that cannot be written", child, 0, 16);
    attempt("and it is gone", child, 0, 0);
    child_that_exits(8);
    attempt("of our group", 0, 0, (uintptr_t)usage);
    result("usage was written", usage[143] == 0);
    return 0;
}
