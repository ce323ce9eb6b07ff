/*
 * fork-bomb.c: fork until there is no place for more; let all go, wait for all, and do it again.
 * Labs: 5
 * Prints: refused: -11
 * Prints: missing: 0
 * Prints: refused: -11
 * Prints: missing: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void bomb(void)
{
    int ends[2], children = 0, pid;
    pipe(ends);
    while ((pid = fork()) > 0)
        children++;
    close(ends[1]);
    if (pid == 0) {
        await(ends); /* until all have closed their copy, and we ours */
        exit(0);
    }
    result("refused", pid);
    close(ends[0]);
    while (wait4(-1, NULL, 0) > 0)
        children--;
    result("missing", children);
}

MAIN
{
    only_on_rung();
    bomb();
    bomb();
    return 0;
}
