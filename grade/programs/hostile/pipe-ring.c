/*
 * pipe-ring.c: fifty processes in a ring, a pipe between each two, and a number that goes round until
 * it has been counted up a thousand times. Who sees the end closes, and so the next one sees it.
 * Labs: 5
 * Prints: counted: 1000
 * Prints: the end: 0
 * Prints: ended well: 49
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define PROCESSES 50
#define LIMIT 1000

/* Pass numbers on until there are no more. */
static void pass_on(int in, int out)
{
    int number;
    while (read(in, &number, sizeof(number)) == sizeof(number)) {
        number++;
        write(out, &number, sizeof(number));
    }
    exit(0);
}

/* The others, each between the pipe of the one before it and a new one; the last one's end. */
static int make_ring(int in, int start)
{
    for (int i = 1; i < PROCESSES; i++) {
        int ends[2];
        pipe(ends);
        if (fork() == 0) {
            close(start);
            close(ends[0]);
            pass_on(in, ends[1]);
        }
        close(in);
        close(ends[1]);
        in = ends[0];
    }
    return in;
}

MAIN
{
    int start[2], number = 0, well = 0, status;
    pipe(start);
    int keep = dup2(start[1], 15);
    close(start[1]);
    int in = make_ring(start[0], keep);
    while (number < LIMIT) {
        number++;
        write(keep, &number, sizeof(number));
        read(in, &number, sizeof(number));
    }
    result("counted", number);
    close(keep);
    result("the end", read(in, &number, sizeof(number)));
    while (wait4(-1, &status, 0) > 0)
        well += status == 0;
    result("ended well", well);
    return 0;
}
