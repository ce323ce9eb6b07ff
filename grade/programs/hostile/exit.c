/*
 * exit.c: every exit status, and some that are none. Only 8 bits count.
 * Arguments: 0..255
 * Ends: exit $1
 * Arguments: 256 0x1234567800000000
 * Ends: exit 0
 * Arguments: 257 -255
 * Ends: exit 1
 * Arguments: -1
 * Ends: exit 255
 */
#include "shared/hostile.h"

MAIN
{
    system_call(SYS_exit, number(argv[1]));
    return 99;
}
