/*
 * cow-no-memory.c: take all the memory there is, and then write to a page that is still shared: no
 * call is there that could fail. Who writes is ended, and nobody else.
 * Labs: 5
 * Prints: child: signal: 9
 * Prints: child: signal: 9
 * Prints: ours: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define PAGES 16

static volatile char pages[PAGES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* A heap of all that is free: of ever smaller pieces. */
static void take_all(void)
{
    uint64_t end = (uint64_t)system_call(SYS_brk, 0);
    for (uint64_t piece = 1 << 20; piece >= PAGE_SIZE; piece /= 16)
        while ((uint64_t)system_call(SYS_brk, end + piece) == end + piece)
            end += piece;
}

static void attempt(void)
{
    int pid = fork();
    if (pid == 0) {
        take_all();
        for (int i = 0; i < PAGES; i++)
            pages[i][0] = 1;
        exit(1);
    }
    ended("child", pid);
}

MAIN
{
    int changed = 0;
    for (int i = 0; i < PAGES; i++)
        pages[i][0] = 0x33;
    attempt();
    attempt();
    for (int i = 0; i < PAGES; i++)
        changed += pages[i][0] != 0x33;
    result("ours", changed);
    return 0;
}
