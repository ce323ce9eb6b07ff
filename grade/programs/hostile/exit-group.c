/*
 * exit-group.c: the other way to end.
 * Labs: 4
 * Arguments: 0 1 77 255
 * Ends: exit $1
 * Arguments: 256
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    system_call(SYS_exit_group, number(argv[1]));
    return 99;
}
