/*
 * wait-race.c: two children end while the parent looks, sleeps or wakes: each is told of once.
 * Labs: 5
 * Prints: wrong: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define ROUNDS 200

static int child(int yields, int status)
{
    int pid = fork();
    if (pid != 0)
        return pid;
    while (yields-- > 0)
        system_call(SYS_sched_yield);
    exit(status);
}

/* What is wrong with a round: a child that is told of twice, not at all, or with another's status. */
static int race(int i)
{
    int a = child(i % 5, 1), b = child(i / 5 % 5, 2), seen = 0, status;
    for (int j = 0; j < 2; j++) {
        int pid = wait4(i % 3 == 0 ? b + (a - b) * j : -1, &status, 0);
        if (pid == a && status == 1 << 8)
            seen |= 1;
        if (pid == b && status == 2 << 8)
            seen |= 2;
    }
    return seen != 3 || wait4(-1, &status, WNOHANG) != -10;
}

MAIN
{
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++)
        wrong += race(i);
    result("wrong", wrong);
    return 0;
}
