/*
 * wait-strangers.c: wait for who is no child of ours: a grandchild, ourselves, our parent, nobody.
 * Labs: 5
 * Prints: grandchild: -10
 * Prints: ourselves: -10
 * Prints: our parent: -10
 * Prints: the first of all: -10
 * Prints: the last of all: -10
 * Prints: group 1: -10
 * Prints: child: exit: 3
 * Prints: anybody: -10
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void stranger(const char *what, long pid)
{
    int status = 77;
    result(what, wait4((int)pid, &status, 0));
    if (status != 77)
        result("and changed the status to", status);
}

/* Have a child, tell its number, and end with its status when we are told to. */
static void be_parent(const int there[2], const int back[2])
{
    int pid = fork();
    if (pid == 0) {
        await(back);
        exit(3);
    }
    write(there[1], &pid, sizeof(pid));
    exit(status_of(pid) >> 8);
}

MAIN
{
    int there[2], back[2], grandchild;
    pipe(there);
    pipe(back);
    int child = fork();
    if (child == 0)
        be_parent(there, back);
    read(there[0], &grandchild, sizeof(grandchild));
    stranger("grandchild", grandchild);
    stranger("ourselves", getpid());
    stranger("our parent", system_call(SYS_getppid));
    stranger("the first of all", 1);
    stranger("the last of all", INT32_MAX);
    stranger("group 1", -INT32_MAX);
    release(back);
    ended("child", child);
    stranger("anybody", -1);
    return 0;
}
