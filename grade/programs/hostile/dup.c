/*
 * dup.c: dup2 of a file over itself, over one that is open, of none, to where no file can be; and a
 * pipe whose last reader is such a copy.
 * Labs: 5
 * Prints: over itself: 3
 * Prints: none over itself: -9
 * Prints: to 15: 15
 * Prints: to 16: -9
 * Prints: to -1: -9
 * Prints: to 2^31 - 1: -9
 * Prints: of none: -9
 * Prints: of -1: -9
 * Prints: through the copy: 2
 * Prints: the pipe over itself: 3
 * Prints: its end: 0
 * Prints: the console is still there
 * Ends: exit 0
 */
#include "shared/hostile.h"

MAIN
{
    int ends[2];
    char text[8];
    pipe(ends);
    result("over itself", dup2(3, 3));
    result("none over itself", dup2(9, 9));
    result("to 15", dup2(3, 15));
    result("to 16", dup2(3, 16));
    result("to -1", dup2(3, -1));
    result("to 2^31 - 1", dup2(3, INT32_MAX));
    result("of none", dup2(9, 3));
    result("of -1", dup2(-1, 3));
    close(3);
    write(4, "ab", 2);
    result("through the copy", read(15, text, 8));
    dup2(15, 3);
    result("the pipe over itself", dup2(3, 3));
    dup2(1, 4); /* that was the only writer */
    result("its end", read(3, text, 8));
    write(4, "the console is still there\n", 27);
    return 0;
}
