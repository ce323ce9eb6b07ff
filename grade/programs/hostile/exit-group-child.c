/*
 * exit-group-child.c: a child ends by exit_group, by exit, by main's return, by a status of nonsense:
 * its parent goes on.
 * Labs: 5
 * Prints: exit_group: exit: 33
 * Prints: exit: exit: 34
 * Prints: main's return: exit: 35
 * Prints: 256: exit: 0
 * Prints: -1: exit: 255
 * Prints: with upper bits: exit: 120
 * Ends: exit 9
 */
#include "shared/hostile.h"

static void attempt(const char *what, long call, long status)
{
    int pid = fork();
    if (pid == 0)
        system_call(call, status);
    ended(what, pid);
}

MAIN
{
    attempt("exit_group", SYS_exit_group, 33);
    attempt("exit", SYS_exit, 34);
    int pid = fork();
    if (pid == 0)
        return 35;
    ended("main's return", pid);
    attempt("256", SYS_exit_group, 256);
    attempt("-1", SYS_exit_group, -1);
    attempt("with upper bits", SYS_exit, 0x12345678);
    system_call(SYS_exit_group, 9);
    return 1;
}
