/*
 * numbers.c: system calls that there are not.
 * Prints: 387: -38
 * Prints: 400: -38
 * Prints: 1000: -38
 * Prints: 4096: -38
 * Prints: 2147483647: -38
 * Prints: -1: -38
 * Prints: -2: -38
 * Prints: -2147483648: -38
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    static const long numbers[] = {387, 400, 1000, 4096, 0x7fffffff, -1, -2, -0x80000000L};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        print_decimal(numbers[i]);
        result("", system_call(numbers[i], 1, "oh\n", 3));
    }
    return 0;
}
