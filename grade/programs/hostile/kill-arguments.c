/*
 * kill-arguments.c: signals that there are not, for us, for a child, for one that has ended, for
 * nobody. None of it hurts.
 * Labs: 5
 * Prints: signal -1: -22
 * Prints: signal 65: -22
 * Prints: signal 2^31 - 1: -22
 * Prints: signal -2^31: -22
 * Prints: signal 0, to us: 0
 * Prints: signal 0, to our parent: 0
 * Prints: signal 65, to our child: -22
 * Prints: nobody: -3
 * Prints: signal 65, to nobody: -3
 * Prints: a zombie: 0
 * Prints: a zombie, signal 0: 0
 * Prints: child: exit: 6
 * Prints: who was there: -3
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void attempt(const char *what, long pid, long signal)
{
    result(what, system_call(SYS_kill, pid, signal));
}

MAIN
{
    int ends[2], life[2];
    char byte;
    attempt("signal -1", getpid(), -1);
    attempt("signal 65", getpid(), 65);
    attempt("signal 2^31 - 1", getpid(), INT32_MAX);
    attempt("signal -2^31", getpid(), INT32_MIN);
    attempt("signal 0, to us", getpid(), 0);
    attempt("signal 0, to our parent", system_call(SYS_getppid), 0);
    pipe(ends);
    pipe(life);
    int child = fork();
    if (child == 0) {
        await(ends);
        exit(6);
    }
    attempt("signal 65, to our child", child, 65);
    attempt("nobody", INT32_MAX, SIGKILL);
    attempt("signal 65, to nobody", INT32_MAX, 65);
    release(ends);
    close(life[1]);
    read(life[0], &byte, 1); /* until it has ended */
    attempt("a zombie", child, SIGKILL);
    attempt("a zombie, signal 0", child, 0);
    ended("child", child);
    attempt("who was there", child, SIGKILL);
    return 0;
}
