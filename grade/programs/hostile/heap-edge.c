/*
 * heap-edge.c: write from the last bytes of the heap, and further.
 * Labs: 4
 * Prints: here
 * Prints: beyond: 5
 * Prints: behind: -14
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    uint64_t end = (system_call(SYS_brk, 0) + 2 * PAGE_SIZE) / PAGE_SIZE * PAGE_SIZE;
    system_call(SYS_brk, end);
    for (int i = 0; i < 5; i++)
        ((char *)end)[i - 5] = "here\n"[i];
    result("beyond", system_call(SYS_write, 1, end - 5, 100));
    result("behind", system_call(SYS_write, 1, end, 100));
    return 0;
}
