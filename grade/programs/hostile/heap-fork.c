/*
 * heap-fork.c: one of two processes gives its heap back and touches it; the other one's is whole.
 * Labs: 5
 * Prints: shrunk and touched: signal: 11
 * Prints: shrunk and grown: exit: 0
 * Prints: ours: 0
 * Prints: child of a shrunk one: exit: 0
 * Prints: touched by us
 * Ends: SIGSEGV
 */
#include "shared/hostile.h"

#define PAGES 8

static volatile char *heap;

static int count(char value)
{
    int found = 0;
    for (int i = 0; i < PAGES; i++)
        found += heap[i * PAGE_SIZE] == value;
    return found;
}

static void set_pages(int pages)
{
    system_call(SYS_brk, heap + pages * PAGE_SIZE);
}

MAIN
{
    heap = (volatile char *)(((uint64_t)system_call(SYS_brk, 0) + PAGE_SIZE - 1) &
                             -(uint64_t)PAGE_SIZE);
    set_pages(PAGES);
    for (int i = 0; i < PAGES; i++)
        heap[i * PAGE_SIZE] = 1;

    int pid = fork();
    if (pid == 0) {
        set_pages(1);
        exit(heap[PAGE_SIZE]);
    }
    ended("shrunk and touched", pid);

    pid = fork();
    if (pid == 0) {
        set_pages(0);
        set_pages(PAGES);
        exit(PAGES - count(0)); /* fresh, and not what is still its parent's */
    }
    ended("shrunk and grown", pid);
    result("ours", PAGES - count(1));

    int go[2];
    pipe(go);
    pid = fork();
    if (pid == 0) {
        await(go);
        exit(PAGES - count(1));
    }
    set_pages(1);
    release(go);
    ended("child of a shrunk one", pid);
    print("touched by us\n");
    return heap[PAGE_SIZE];
}
