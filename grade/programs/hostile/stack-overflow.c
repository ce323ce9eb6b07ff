/*
 * stack-overflow.c: recursion without an end.
 * Ends: SIGSEGV
 */
#include "shared/hostile.h"

static uint64_t down(uint64_t depth)
{
    volatile uint64_t waste[64];
    waste[0] = depth;
    return opaque(1) ? down(depth + 1) + waste[0] : 0;
}

MAIN
{
    return (int)down(0);
}
