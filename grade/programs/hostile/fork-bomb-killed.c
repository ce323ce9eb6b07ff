/*
 * fork-bomb-killed.c: every process forks as often as it can. When no place is left, kill them all:
 * each has told its number before it did anything else.
 * Labs: 5
 * Prints: full: -11
 * Prints: the first: signal: 9
 * Prints: nobody: -10
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void bomb(const int numbers[2], const int nothing[2])
{
    for (;;) {
        int pid = fork(), own = getpid();
        if (pid == 0)
            write(numbers[1], &own, sizeof(own));
        else if (pid < 0)
            await(nothing);
    }
}

/* Have a child for a moment, as long as there is a place for it. */
static int until_full(void)
{
    for (;;) {
        int pid = fork();
        if (pid == 0)
            exit(0);
        if (pid < 0)
            return pid;
        wait4(pid, NULL, 0);
        system_call(SYS_sched_yield);
    }
}

MAIN
{
    only_on_rung();
    int numbers[2], nothing[2], pid;
    pipe(numbers);
    pipe(nothing);
    int first = fork();
    if (first == 0)
        bomb(numbers, nothing);
    close(numbers[1]);
    result("full", until_full());
    system_call(SYS_kill, first, SIGKILL);
    while (read(numbers[0], &pid, sizeof(pid)) == sizeof(pid))
        system_call(SYS_kill, pid, SIGKILL);
    ended("the first", first);
    result("nobody", wait4(-1, NULL, 0));
    return 0;
}
