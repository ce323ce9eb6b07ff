/*
 * write-input.c: write to the standard input.
 * Prints: -9
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    print_decimal(write(0, "input\n", 6));
    print("\n");
    return 0;
}
