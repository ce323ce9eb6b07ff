/*
 * number-high.c: a system call's number with something in its upper half, which does not count.
 * Prints: oh
 * Prints: 2^32 + 1: 3
 * Prints: oh
 * Prints: -2^32 + 1: 3
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    result("2^32 + 1", system_call(0x100000001, 1, "oh\n", 3));
    result("-2^32 + 1", system_call(-0xffffffffL, 1, "oh\n", 3));
    return 0;
}
