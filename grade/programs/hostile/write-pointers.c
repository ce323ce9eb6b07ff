/*
 * write-pointers.c: write from where nothing is, and from what is not ours.
 * Prints: 0x0: -14
 * Prints: 0x1: -14
 * Prints: 0x10000000: -14
 * Prints: 0x7fffffffffff: -14
 * Prints: 0x800000000000: -14
 * Prints: 0xffff800000000000: -14
 * Prints: 0xffffffff80101000: -14
 * Prints: 0xffffffffffffffff: -14
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    static const uint64_t places[] = {
        0, 1, UNMAPPED, USER_END + 0xfff, NOT_CANONICAL, WINDOW, KERNEL, -1,
    };
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        print_hex(places[i]);
        result("", system_call(SYS_write, 1, places[i], 1));
    }
    return 0;
}
