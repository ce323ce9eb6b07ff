/*
 * cow-busy.c: the kernel copies into a shared page for one process, while another one, which the
 * timer interrupts, writes to the same page all the time.
 * Labs: 5
 * Prints: wrong: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define ROUNDS 50
#define HALF (PAGE_SIZE / 2)

static char page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* Write to the upper half until told to stop; nothing of the lower one may change. */
static int be_busy(const int stop[2])
{
    char byte = 0;
    int wrong = 0;
    close(stop[1]);
    for (int i = 0; i < 3000; i++) {
        volatile char *at = &page[HALF + i % HALF];
        *at = (char)i;
        wrong |= *at != (char)i;
    }
    while (read(stop[0], &byte, 1) == 1)
        ;
    for (int i = 0; i < HALF; i++)
        wrong |= page[i] != 0x11;
    return wrong;
}

static int round(void)
{
    int data[2], stop[2], wrong = 0;
    for (int i = 0; i < PAGE_SIZE; i++)
        page[i] = 0x11;
    pipe(data);
    pipe(stop);
    int pid = fork();
    if (pid == 0)
        exit(be_busy(stop));
    for (int i = 0; i < 8; i++) {
        char byte = (char)(i + 1);
        write(data[1], &byte, 1);
        wrong |= read(data[0], &page[i * 64], 1) != 1 || page[i * 64] != byte;
        system_call(SYS_sched_yield);
    }
    for (int i = HALF; i < PAGE_SIZE; i++)
        wrong |= page[i] != 0x11;
    for (int fd = 3; fd < 7; fd++)
        close(fd);
    return wrong | status_of(pid);
}

MAIN
{
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++)
        wrong += round() != 0;
    result("wrong", wrong);
    return 0;
}
