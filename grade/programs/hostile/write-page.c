/*
 * write-page.c: write lines of three pages at once.
 * Prints: 0123456789abcde (768 times)
 * Prints: written: 12288
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    static char text[3 * PAGE_SIZE + 7];
    char *start = text + 7; /* not at a page's beginning */
    for (int i = 0; i < 3 * PAGE_SIZE; i++)
        start[i] = "0123456789abcde\n"[i % 16];
    result("written", write(1, start, 3 * PAGE_SIZE));
    return 0;
}
