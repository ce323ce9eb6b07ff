/*
 * wait-order.c: two children have ended before anybody asks; ask for the later one first, and twice.
 * Labs: 5
 * Prints: second: exit: 2
 * Prints: second again: -10
 * Prints: first: exit: 1
 * Prints: anybody: -10
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    int first = fork();
    if (first == 0)
        exit(1);
    int second = fork();
    if (second == 0)
        exit(2);
    rest(50);
    ended("second", second);
    ended("second again", second);
    ended("first", first);
    result("anybody", wait4(-1, NULL, 0));
    return 0;
}
