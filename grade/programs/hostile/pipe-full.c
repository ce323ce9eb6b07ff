/*
 * pipe-full.c: a writer that waits at a full pipe is read from, bit by bit, in the right order; then
 * one is killed there, and what it had written can still be read.
 * Labs: 5
 * Prints: wrong: 0
 * Prints: writer: exit: 0
 * Prints: killed: signal: 9
 * Prints: something is left
 * Prints: the end: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define SIZE 100000

static unsigned char data[SIZE], got[777];

static void write_all(const int ends[2])
{
    for (long done = 0; done < SIZE;)
        done += write(ends[1], data + done, (size_t)(SIZE - done));
}

static int read_all(const int ends[2])
{
    int wrong = 0;
    long step, place = 0;
    while ((step = read(ends[0], got, (size_t)(place % (long)sizeof(got)) + 1)) > 0)
        for (long i = 0; i < step; i++)
            wrong += got[i] != data[place++ % SIZE];
    return wrong + (place != SIZE);
}

static int start_writer(int ends[2])
{
    pipe(ends);
    int pid = fork();
    if (pid == 0) {
        close(ends[0]);
        write_all(ends);
        exit(0);
    }
    close(ends[1]);
    return pid;
}

MAIN
{
    int ends[2];
    for (int i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 7 + i / 256);
    int pid = start_writer(ends);
    rest(20);
    result("wrong", read_all(ends));
    ended("writer", pid);
    close(ends[0]);

    pid = start_writer(ends);
    read(ends[0], got, 1); /* until it has begun */
    system_call(SYS_kill, pid, SIGKILL);
    ended("killed", pid);
    long left = 0, step;
    while ((step = read(ends[0], got, sizeof(got))) > 0)
        left += step;
    print(left > 0 && left < SIZE ? "something is left\n" : "nothing is left\n");
    result("the end", step);
    return 0;
}
