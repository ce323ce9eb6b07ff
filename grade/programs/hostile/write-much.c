/*
 * write-much.c: print without an end; well, nearly.
 * Prints: and on (2000 times)
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    for (int i = 0; i < 2000; i++)
        print("and on\n");
    return 0;
}
