/*
 * recursion-child.c: endless recursion in a child, from deep in its parent's own; the parent's stack
 * is as it was.
 * Labs: 5
 * Prints: child: signal: 11 (20 times)
 * Prints: sum: 190
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define DEPTH 20

static uint64_t forever(volatile uint64_t *above)
{
    volatile uint64_t here[32];
    here[0] = *above + 1;
    return opaque(1) ? forever(here) + here[0] : 0;
}

static int descend(int depth)
{
    volatile int numbers[600]; /* more than a page, for each depth another one */
    if (depth == DEPTH)
        return 0;
    for (int i = 0; i < 600; i++)
        numbers[i] = depth;
    volatile uint64_t zero = 0;
    int pid = fork();
    if (pid == 0)
        exit((int)forever(&zero));
    ended("child", pid);
    int below = descend(depth + 1), wrong = 0;
    for (int i = 0; i < 600; i++)
        wrong |= numbers[i] ^ depth;
    return below + depth + 1000 * wrong;
}

MAIN
{
    result("sum", descend(0));
    return 0;
}
