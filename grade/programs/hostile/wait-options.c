/*
 * wait-options.c: options that there are not, with and without a child; and asking without waiting,
 * again and again, until the child has ended.
 * Labs: 5
 * Prints: garbage: -22 (6 times)
 * Prints: no child: -10
 * Prints: a living one: 0
 * Prints: in the end: 5
 * Prints: afterwards: -10
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    static const int garbage[] = {4, 0x10, 0x100, 0x800000, -1, 0x7fff0001};
    int ends[2], status = 0;
    for (unsigned i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
        result("garbage", wait4(-1, &status, garbage[i]));
    result("no child", wait4(-1, &status, WNOHANG));
    pipe(ends);
    int waited, pid = fork();
    if (pid == 0) {
        await(ends);
        exit(5);
    }
    result("a living one", wait4(pid, &status, WNOHANG));
    release(ends);
    while ((waited = wait4(pid, &status, WNOHANG)) == 0)
        system_call(SYS_sched_yield);
    result("in the end", waited == pid ? status >> 8 : waited);
    result("afterwards", wait4(pid, &status, WNOHANG));
    return 0;
}
