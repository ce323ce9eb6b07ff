/*
 * exec-child.c: children become another program while they still share every page with their
 * parent, and with each other.
 * Labs: 5
 * Prints: wrong: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define CHILDREN 20

static uint64_t data[2 * PAGE_SIZE];
static char *nothing[] = {NULL};

/* The other program: it has the first one's memory no more. */
static int be_another(const char *expected)
{
    for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
        if (data[i] != 0)
            return 255;
    data[5] = 6;
    return *expected - 'a';
}

MAIN
{
    char letter[2] = "a";
    char *words[] = {argv[0], letter, NULL};
    if (argc == 2)
        return be_another(argv[1]);
    int pids[CHILDREN], wrong = 0;
    for (int i = 0; i < CHILDREN; i++) {
        letter[0] = (char)('a' + i);
        for (unsigned j = 0; j < sizeof(data) / sizeof(data[0]); j++)
            data[j] = i + j + 1;
        pids[i] = fork();
        if (pids[i] == 0) {
            execve(argv[0], words, nothing);
            exit(254);
        }
        for (unsigned j = 0; j < sizeof(data) / sizeof(data[0]); j++)
            wrong += data[j] != i + j + 1;
    }
    for (int i = 0; i < CHILDREN; i++)
        wrong += status_of(pids[i]) != i << 8;
    result("wrong", wrong);
    return 0;
}
