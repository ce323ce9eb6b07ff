/*
 * brk-absurd.c: a heap that ends where none can. The answer is where it ended before.
 * Labs: 4
 * Prints: 0x0: refused
 * Prints: 0x1: refused
 * Prints: 0x400000: refused
 * Prints: 0x7fffffff0000: refused
 * Prints: 0x7ffffffff000: refused
 * Prints: 0x800000000000: refused
 * Prints: 0xffff800000000000: refused
 * Prints: 0xffffffff80101000: refused
 * Prints: 0xffffffffffffffff: refused
 * Prints: one byte: granted
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void attempt(uint64_t end, uint64_t now)
{
    print_hex(end);
    print((uint64_t)system_call(SYS_brk, end) == now ? ": refused\n" : ": granted\n");
}

MAIN
{
    static const uint64_t ends[] = {
        0, 1, 0x400000, USER_END - 0xf000, USER_END, NOT_CANONICAL, WINDOW, KERNEL, -1,
    };
    uint64_t now = system_call(SYS_brk, 0);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        attempt(ends[i], now);
    print((uint64_t)system_call(SYS_brk, now + 1) == now + 1 ? "one byte: granted\n" : "refused\n");
    return 0;
}
