/*
 * exec-broken.c: become a file that is no program. The caller still is all there: its memory, its
 * heap, its open files, its number, its child.
 * Labs: 5
 * Arguments: broken-empty broken-byte broken-magic broken-header broken-table broken-text
 * Arguments: broken-zeros broken-type broken-machine broken-entry-size broken-no-table
 * Arguments: broken-far-table broken-last-table
 * Prints: refused: -8
 * Prints: all there
 * Ends: exit 0
 * Arguments: broken-code broken-entry broken-kernel broken-window broken-wraps broken-stack
 * Arguments: broken-overlap broken-write-code broken-offset broken-size
 * Prints: refused: -8
 * Prints: all there
 * Ends: exit 0
 * Arguments: nobody
 * Prints: refused: -2
 * Prints: all there
 * Ends: exit 0
 */
#include "shared/hostile.h"

static uint64_t data = 0x1234, zeros[1024];

MAIN
{
    int ends[2], number = getpid(), byte = 0;
    volatile uint64_t *heap = (volatile uint64_t *)system_call(SYS_brk, 0);
    uint64_t end = (uintptr_t)heap + 3 * PAGE_SIZE;
    system_call(SYS_brk, end);
    heap[0] = heap[1000] = 0x5678;
    zeros[700] = 0x9abc;
    pipe(ends);
    write(ends[1], "x", 1);
    int child = fork();
    if (child == 0) {
        rest(5);
        exit(4);
    }

    result("refused", execve(beside(argv[0], argv[1]), argv, envp));
    read(ends[0], &byte, 1);
    int whole = data == 0x1234 && zeros[700] == 0x9abc && heap[0] == 0x5678 &&
                heap[1000] == 0x5678 && (uint64_t)system_call(SYS_brk, 0) == end && byte == 'x' &&
                getpid() == number && status_of(child) == 4 << 8;
    print(whole ? "all there\n" : "something is missing\n");
    return 0;
}
