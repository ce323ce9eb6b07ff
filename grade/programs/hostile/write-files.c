/*
 * write-files.c: write to files that are not open. Only the lower half of the number counts.
 * Prints: -1: -9
 * Prints: 3: -9
 * Prints: 1024: -9
 * Prints: the highest: -9
 * Prints: the lowest: -9
 * Prints: not open, and nothing there: -9
 * Prints: it is written
 * Prints: 2^32 + 1: 14
 * Prints: it is written
 * Prints: 2: 14
 * Ends: exit 0
 */
#include "shared/hostile.h"

static const char text[] = "it is written\n";

static void attempt(const char *what, long file)
{
    result(what, system_call(SYS_write, file, text, sizeof(text) - 1));
}

MAIN
{
    attempt("-1", -1);
    attempt("3", 3);
    attempt("1024", 1024);
    attempt("the highest", 0x7fffffff);
    attempt("the lowest", 0x80000000);
    result("not open, and nothing there", system_call(SYS_write, 99, KERNEL, -1));
    attempt("2^32 + 1", 0x100000001);
    attempt("2", 2);
    return 0;
}
