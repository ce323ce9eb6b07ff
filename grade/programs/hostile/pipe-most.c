/*
 * pipe-most.c: pipes in so many processes that the system has no more of them, for anybody.
 * Labs: 5
 * Prints: refused: -23
 * Prints: afterwards: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void report(int out, int error)
{
    write(out, &error, sizeof(error));
}

/* Take pipes until there are none for this process; say why not, and keep them. */
static void keep_pipes(int out, const int stay[2])
{
    int ends[2], error;
    close(stay[1]);
    while ((error = pipe(ends)) == 0)
        ;
    report(out, error);
    await(stay);
    exit(0);
}

MAIN
{
    only_on_rung();
    int answers[2], stay[2], ends[2], error = 0;
    pipe(answers);
    pipe(stay);
    do {
        if (fork() == 0)
            keep_pipes(answers[1], stay);
        read(answers[0], &error, sizeof(error));
    } while (error == -24); /* its own table is full */
    result("refused", error);
    close(stay[1]);
    while (wait4(-1, NULL, 0) > 0)
        ;
    result("afterwards", pipe(ends));
    return 0;
}
