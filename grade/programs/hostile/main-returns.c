/*
 * main-returns.c: return from main, with more than an exit status holds.
 * Ends: exit 52
 */
#include "shared/hostile.h"

MAIN
{
    return 0x1234;
}
