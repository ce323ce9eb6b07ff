/*
 * write-counts.c: write more than there is, than can be, and than fits behind the address.
 * Prints: -1: -14
 * Prints: the lowest number: -14
 * Prints: into the last page: -14
 * Prints: round to ourselves: -14
 * Prints: here
 * Prints: 2^46: 5
 * Prints: here
 * Prints: 2^32: 5
 * Ends: exit 0
 */
#include "shared/hostile.h"

static char memory[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* behind it is nothing */

MAIN
{
    char *text = memory + PAGE_SIZE - 5;
    for (int i = 0; i < 5; i++)
        text[i] = "here\n"[i];
    result("-1", write(1, text, opaque(-1)));
    result("the lowest number", write(1, text, opaque(1ULL << 63)));
    result("into the last page", write(1, text, opaque(USER_END + 1 - (uintptr_t)text)));
    result("round to ourselves", write(1, text, opaque(5 - (uintptr_t)text)));
    result("2^46", write(1, text, opaque(1ULL << 46)));
    result("2^32", write(1, text, opaque(1ULL << 32)));
    return 0;
}
