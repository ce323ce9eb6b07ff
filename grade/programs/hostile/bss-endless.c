/*
 * bss-endless.c: ask for 1 TiB of zeros: more than the machine has.
 * Ends: not started
 */
#include "shared/hostile.h"

char memory[1L << 40];

MAIN
{
    print("survived\n");
    return 99;
}
