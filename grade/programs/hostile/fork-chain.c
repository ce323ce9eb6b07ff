/*
 * fork-chain.c: a child of a child of a child, a hundred times. The last one's stack runs over; each
 * of the others counts on.
 * Labs: 5
 * Prints: at the end: signal: 11
 * Prints: came back through: 99
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define DEPTH 100

static uint64_t recurse(volatile uint64_t *above)
{
    volatile uint64_t here[32];
    here[0] = *above + 1;
    return opaque(1) ? recurse(here) + here[0] : 0;
}

/* Be the process of this depth; how many there were below. */
static int descend(int depth)
{
    volatile uint64_t zero = 0;
    int pid = fork();
    if (pid == 0 && depth == DEPTH)
        exit((int)recurse(&zero));
    if (pid == 0)
        exit(descend(depth + 1));
    if (depth == DEPTH) {
        ended("at the end", pid);
        return 0;
    }
    return (status_of(pid) >> 8) + 1;
}

MAIN
{
    result("came back through", descend(1));
    return 0;
}
