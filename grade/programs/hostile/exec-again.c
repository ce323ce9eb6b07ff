/*
 * exec-again.c: become oneself, forty times, each time with more rubbish in memory than there
 * was. All of it must be gone; what stays is the number, and the open files.
 * Labs: 5
 * Arguments: 40
 * Prints: kept
 * Ends: exit 0
 */
#include "shared/hostile.h"

static uint64_t data = 1, zeros[4 * PAGE_SIZE];
static char number_left[8], number_own[16], *nothing[] = {NULL};

static const char *decimal(char *end, long value)
{
    *--end = '\0';
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return end;
}

static int is_clean(void)
{
    uint64_t found = data != 1;
    for (unsigned i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i += 100)
        found |= zeros[i];
    uint64_t heap = (uint64_t)system_call(SYS_brk, 0);
    system_call(SYS_brk, heap + 8 * PAGE_SIZE);
    for (uint64_t at = 0; at < 8 * PAGE_SIZE; at += sizeof(uint64_t)) {
        uint64_t *word = (uint64_t *)((heap + 7) / 8 * 8 + (at < 8 * PAGE_SIZE - 8 ? at : 0));
        found |= at % 512 == 0 ? *word : 0;
        *word = at + 1;
    }
    return found == 0;
}

static void dirty(void)
{
    volatile char stack[3 * PAGE_SIZE];
    data = 2;
    for (unsigned i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i += 100)
        zeros[i] = i + 1;
    for (unsigned i = 0; i < sizeof(stack); i += 64)
        stack[i] = 1;
}

/* The end: what was written into the pipe at the beginning is still in it. */
static int last(const char *pid)
{
    char byte = 0;
    read(3, &byte, 1);
    print(byte == 'x' && number(pid) == (uint64_t)getpid() ? "kept\n" : "lost\n");
    return 0;
}

MAIN
{
    long left = (long)number(argv[1]);
    int ends[2];
    if (argc == 2) {
        pipe(ends);
        write(ends[1], "x", 1);
    }
    if (!is_clean()) {
        print("not clean\n");
        return 1;
    }
    if (left == 0)
        return last(argv[2]);
    dirty();
    const char *own = argc == 2 ? decimal(number_own + sizeof(number_own), getpid()) : argv[2];
    char *words[] = {argv[0], (char *)decimal(number_left + sizeof(number_left), left - 1),
                     (char *)own, NULL};
    execve(argv[0], words, nothing);
    print("refused\n");
    return 1;
}
