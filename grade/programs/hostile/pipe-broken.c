/*
 * pipe-broken.c: write to a pipe that nobody can read: SIGPIPE, also for who was writing already,
 * and for who waited in the middle of it.
 * Labs: 5
 * Prints: a child: signal: 13
 * Prints: who waited: signal: 13
 * Prints: nothing at all: 0
 * Ends: SIGPIPE
 */
#include "shared/hostile.h"

static char much[3 * 65536]; /* more than a pipe holds, here and on Linux */

MAIN
{
    int ends[2], closed[2];
    pipe(ends);
    pipe(closed);
    int pid = fork();
    if (pid == 0) {
        close(ends[0]);
        await(closed);
        write(ends[1], "x", 1);
        exit(0);
    }
    close(ends[0]);
    release(closed);
    ended("a child", pid);
    close(ends[1]);

    pipe(ends);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        write(ends[1], much, sizeof(much));
        write(ends[1], "x", 1);
        exit(0);
    }
    rest(30);
    close(ends[0]);
    ended("who waited", pid);
    result("nothing at all", write(ends[1], "", 0));
    write(ends[1], "x", 1);
    print("survived\n");
    return 99;
}
