/*
 * orphans.c: parents end before their children, forty at once. Each orphan gets another parent, and
 * tells us by a pipe; the ended are told of once, and the orphans not at all.
 * Labs: 5
 * Prints: parents: 40
 * Prints: nobody else: -10
 * Prints: orphans: 120
 * Prints: with another parent: 120
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define PARENTS 40
#define EACH 3

static int go[2], reports[2];

/* Wait until our parent has ended, and tell whether we have another one. */
static void be_orphan(int parent)
{
    close(go[1]);
    await(go);
    char changed = system_call(SYS_getppid) != parent;
    write(reports[1], &changed, 1);
    exit(0);
}

static void be_parent(void)
{
    int own = getpid();
    for (int i = 0; i < EACH; i++)
        if (fork() == 0)
            be_orphan(own);
    exit(1);
}

MAIN
{
    int parents = 0, orphans = 0, changed = 0, status;
    char report;
    pipe(go);
    pipe(reports);
    for (int i = 0; i < PARENTS; i++)
        if (fork() == 0)
            be_parent();
    for (int i = 0; i < PARENTS; i++)
        parents += wait4(-1, &status, 0) > 0 && status == 1 << 8;
    result("parents", parents);
    result("nobody else", wait4(-1, &status, 0));
    close(go[1]);
    close(reports[1]);
    while (read(reports[0], &report, 1) == 1) {
        orphans++;
        changed += report;
    }
    result("orphans", orphans);
    result("with another parent", changed);
    return 0;
}
