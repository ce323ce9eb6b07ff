/*
 * fork-storm.c: children that end at once, and a parent that does not ask for them for a long time.
 * Labs: 5
 * Prints: forked: 300
 * Prints: waited: 300
 * Prints: sum: 33586
 * Prints: forked: 300
 * Prints: waited: 300
 * Prints: sum: 33586
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define CHILDREN 300

static void storm(void)
{
    int forked = 0, waited = 0, sum = 0, status;
    for (int i = 0; i < CHILDREN; i++) {
        int pid = fork();
        if (pid == 0)
            exit(i);
        forked += pid > 0;
    }
    while (wait4(-1, &status, 0) > 0) {
        waited++;
        sum += status >> 8;
    }
    result("forked", forked);
    result("waited", waited);
    result("sum", sum);
}

MAIN
{
    storm();
    storm();
    return 0;
}
