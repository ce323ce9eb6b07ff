/*
 * kill-groups.c: kill everybody. There are no groups of processes: those numbers are nobody's.
 * Labs: 5
 * Prints: our group: -3
 * Prints: everybody: -3
 * Prints: group 2: -3
 * Prints: the lowest number: -3
 * Prints: a child of ours is still there: 0
 * Prints: child: exit: 5
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void attempt(const char *what, long pid, long signal)
{
    result(what, system_call(SYS_kill, pid, signal));
}

MAIN
{
    only_on_rung();
    int ends[2];
    pipe(ends);
    int child = fork();
    if (child == 0) {
        await(ends);
        exit(5);
    }
    attempt("our group", 0, SIGKILL);
    attempt("everybody", -1, SIGKILL);
    attempt("group 2", -2, SIGKILL);
    attempt("the lowest number", INT32_MIN, SIGKILL);
    attempt("a child of ours is still there", child, 0);
    release(ends);
    ended("child", child);
    return 0;
}
