/*
 * bss-large.c: 16 MiB of zeros, each page of them looked into, and used.
 * Prints: sum: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define SIZE (16 << 20)

static char memory[SIZE];

MAIN
{
    long sum = 0;
    for (int i = 0; i < SIZE; i += PAGE_SIZE)
        sum += memory[i]++;
    result("sum", sum);
    return 0;
}
