/*
 * brk-zero.c: look into fresh memory for what somebody else, or we ourselves, left in it.
 * Labs: 4
 * Prints: first: 0
 * Prints: again: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define SIZE (256 * 1024)

/* Ask for memory, add up what is in it, leave something there, and give it back. */
static long visit(void)
{
    uint64_t *heap = (uint64_t *)system_call(SYS_brk, 0);
    system_call(SYS_brk, (uintptr_t)heap + SIZE);
    uint64_t sum = 0;
    for (size_t i = 0; i < SIZE / sizeof(uint64_t); i++) {
        sum |= heap[i];
        heap[i] = 0x5555555555555555;
    }
    system_call(SYS_brk, heap);
    return (long)sum;
}

MAIN
{
    result("first", visit());
    result("again", visit());
    return 0;
}
