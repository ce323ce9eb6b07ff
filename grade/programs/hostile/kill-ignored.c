/*
 * kill-ignored.c: signals that do nothing unless somebody asks for them, and of two deadly ones the
 * first.
 * Labs: 5
 * Prints: SIGCHLD: 0
 * Prints: SIGCONT: 0
 * Prints: SIGURG: 0
 * Prints: SIGWINCH: 0
 * Prints: child: exit: 4
 * Prints: SIGTERM: 0
 * Prints: SIGKILL: 0
 * Prints: another: signal: 15
 * Prints: to ourselves: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

static int child_of(int ends[2])
{
    pipe(ends);
    int child = fork();
    if (child == 0) {
        await(ends);
        exit(4);
    }
    return child;
}

MAIN
{
    int ends[2], child = child_of(ends);
    result("SIGCHLD", system_call(SYS_kill, child, SIGCHLD));
    result("SIGCONT", system_call(SYS_kill, child, SIGCONT));
    result("SIGURG", system_call(SYS_kill, child, SIGURG));
    result("SIGWINCH", system_call(SYS_kill, child, SIGWINCH));
    release(ends);
    ended("child", child);
    child = child_of(ends);
    result("SIGTERM", system_call(SYS_kill, child, SIGTERM));
    result("SIGKILL", system_call(SYS_kill, child, SIGKILL));
    ended("another", child);
    result("to ourselves", system_call(SYS_kill, getpid(), SIGCHLD));
    return 0;
}
