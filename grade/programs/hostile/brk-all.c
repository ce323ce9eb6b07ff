/*
 * brk-all.c: a heap of all the memory there is, and more; then one that is not too much.
 * Labs: 4
 * Prints: 1 TiB: refused
 * Prints: 1 MiB: granted
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void attempt(const char *what, uint64_t size)
{
    uint64_t now = system_call(SYS_brk, 0);
    int granted = (uint64_t)system_call(SYS_brk, now + size) == now + size;
    print(what);
    print(granted ? ": granted\n" : ": refused\n");
}

MAIN
{
    attempt("1 TiB", 1ULL << 40);
    attempt("1 MiB", 1ULL << 20);
    return 0;
}
