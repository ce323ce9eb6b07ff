/*
 * write-nothing.c: write 0 bytes, from anywhere: only an address that can be no program's is wrong.
 * Prints: null: 0
 * Prints: nothing there: 0
 * Prints: not canonical: -14
 * Prints: kernel: -14
 * Prints: no such file: -9
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    result("null", system_call(SYS_write, 1, 0, 0));
    result("nothing there", system_call(SYS_write, 1, UNMAPPED, 0));
    result("not canonical", system_call(SYS_write, 1, NOT_CANONICAL + PAGE_SIZE, 0));
    result("kernel", system_call(SYS_write, 1, KERNEL, 0));
    result("no such file", system_call(SYS_write, 77, 0, 0));
    return 0;
}
