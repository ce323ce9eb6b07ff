/*
 * write-edge.c: write from the last bytes of memory: all of them, and one more.
 * Prints: abcd
 * Prints: the last: 5
 * Prints: abcd
 * Prints: one more: 5
 * Prints: behind: -14
 * Ends: exit 0
 */
#include "shared/hostile.h"

static char memory[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* behind it is nothing */

MAIN
{
    char *end = (char *)opaque((uintptr_t)memory + PAGE_SIZE);
    for (int i = 0; i < 5; i++)
        end[i - 5] = "abcd\n"[i];
    result("the last", write(1, end - 5, 5));
    result("one more", write(1, end - 5, 6));
    result("behind", write(1, end, 1));
    return 0;
}
