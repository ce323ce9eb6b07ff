/*
 * pipe-many.c: pipes until no number is left, three hundred times; the last attempt must leave
 * nothing behind.
 * Labs: 5
 * Prints: pipes: 6
 * Prints: refused: -24
 * Prints: a number is left: -24
 * Prints: wrong: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

static int take_all(int *error)
{
    int ends[2], pipes = 0;
    while ((*error = pipe(ends)) == 0)
        pipes++;
    return pipes;
}

static void close_all(void)
{
    for (int fd = 3; fd < 16; fd++)
        close(fd);
}

MAIN
{
    int error, ends[2], wrong = 0;
    result("pipes", take_all(&error));
    result("refused", error);
    result("a number is left", pipe(ends));
    close_all();
    for (int i = 0; i < 300; i++) {
        wrong += take_all(&error) != 6 || error != -24;
        close_all();
    }
    result("wrong", wrong);
    return 0;
}
