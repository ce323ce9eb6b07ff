/*
 * cow-calls.c: the kernel writes to pages that two processes share: what read, pipe, wait4,
 * clock_gettime and arch_prctl say goes to who asked, and nobody else sees it.
 * Labs: 5
 * Prints: parent asks, child looks: 0
 * Prints: child asks, parent looks: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define CALLS 5

static char areas[CALLS][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static int count_untouched(void)
{
    int untouched = 0;
    for (int i = 0; i < CALLS; i++) {
        int touched = 0;
        for (int j = 0; j < PAGE_SIZE; j++)
            touched |= areas[i][j] != 0x55;
        untouched += !touched;
    }
    return untouched;
}

/* Have the kernel write to each area; how many calls said that they failed. */
static int ask(void)
{
    int ends[2];
    pipe(ends);
    write(ends[1], "text", 4);
    int pid = fork();
    if (pid == 0)
        exit(0x12);
    int failed = read(ends[0], areas[0], 4) != 4;
    failed += system_call(SYS_pipe, areas[1]) != 0;
    failed += wait4(pid, (int *)areas[2], 0) != pid;
    failed += system_call(SYS_clock_gettime, 1, areas[3]) != 0;
    failed += system_call(SYS_arch_prctl, ARCH_GET_FS, areas[4]) != 0;
    return failed;
}

static void fresh(void)
{
    for (int i = 0; i < CALLS; i++)
        for (int j = 0; j < PAGE_SIZE; j++)
            areas[i][j] = 0x55;
}

MAIN
{
    int go[2];
    pipe(go);
    fresh();
    int pid = fork();
    if (pid == 0) {
        await(go);
        exit(CALLS - count_untouched());
    }
    int wrong = ask() + count_untouched();
    release(go);
    result("parent asks, child looks", wrong + status_of(pid));

    fresh();
    pid = fork();
    if (pid == 0)
        exit(ask() + count_untouched());
    result("child asks, parent looks", status_of(pid) + CALLS - count_untouched());
    return 0;
}
