/*
 * cow-last.c: when a child has ended, its parent is the last one at a page: it writes, forks, and
 * writes again, from both sides. A translation from before any of it must not be believed.
 * Labs: 5
 * Prints: wrong: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define ROUNDS 300

static volatile int page[PAGE_SIZE / sizeof(int)] __attribute__((aligned(PAGE_SIZE)));

static int round(int i)
{
    page[0] = i;
    int pid = fork();
    if (pid == 0) {
        if (i % 2)
            system_call(SYS_sched_yield);
        int before = page[0];
        page[0] = -1;
        exit(before == i && page[0] == -1 ? 9 : 1);
    }
    if (i % 3)
        page[1] = i; /* before the child's end, or after it */
    int wrong = status_of(pid) != 9 << 8 || page[0] != i;
    page[0] = i + 1;
    page[1] = i;
    return wrong || page[0] != i + 1 || page[1] != i;
}

MAIN
{
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++)
        wrong += round(i);
    result("wrong", wrong);
    return 0;
}
