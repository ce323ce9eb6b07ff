/*
 * fork-returns.c: a child that returns out of the function that forked, over and over, tramples on
 * all that lay above, and ends main's way: what vfork forbids, and fork must survive.
 * Labs: 5
 * Prints: child: exit: 7 (5 times)
 * Prints: still here: 1234
 * Ends: exit 0
 */
#include "shared/hostile.h"

static int pid;

static __attribute__((noinline)) int deep(int depth)
{
    volatile int here[100];
    for (int i = 0; i < 100; i++)
        here[i] = depth;
    if (depth == 0)
        pid = fork();
    else
        deep(depth - 1);
    for (int i = 0; i < 100; i++)
        if (here[i] != depth)
            exit(1);
    return pid;
}

/* All of the stack that a child of ours can write to. */
static void trample(volatile char *from)
{
    while ((uintptr_t)from % PAGE_SIZE != 0)
        *from++ = (char)0xff;
}

MAIN
{
    volatile int kept = 1234;
    for (int i = 0; i < 5; i++) {
        if (deep(50) == 0) {
            kept = 0;
            trample((volatile char *)(&kept + 1));
            exit(7);
        }
        ended("child", pid);
    }
    result("still here", kept);
    return 0;
}
