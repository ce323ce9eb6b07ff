/*
 * kill-groups.c: kill everybody. All processes are one group, which has the first one's number.
 * Labs: 5
 * Prints: our group: 0
 * Prints: a group that there is not: -3
 * Prints: the lowest number: -3
 * Prints: everybody, by what does nothing: 0
 * Prints: no such signal: -22
 * Prints: a child of ours is still there: 0
 * Prints: everybody: 0
 * Prints: child: signal: 9
 * Prints: there is nobody else: -3
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
    attempt("our group", 0, 0);
    attempt("a group that there is not", -child, SIGKILL);
    attempt("the lowest number", INT32_MIN, SIGKILL);
    attempt("everybody, by what does nothing", -1, SIGCHLD);
    attempt("no such signal", 0, 65);
    attempt("a child of ours is still there", child, 0);
    attempt("everybody", -1, SIGKILL);
    ended("child", child);
    attempt("there is nobody else", -1, 0);
    return 0;
}
