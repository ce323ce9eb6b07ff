/*
 * pipe-ends.c: a pipe whose writer has gone, whose ends are mistaken for each other, or closed twice.
 * Labs: 5
 * Prints: read from the writing end: -9
 * Prints: write to the reading end: -9
 * Prints: what was written before: 3
 * Prints: the end: 0
 * Prints: the end again: 0
 * Prints: close: 0
 * Prints: close again: -9
 * Prints: close of no file: -9 (4 times)
 * Prints: read of no file: -9
 * Prints: write to no file: -9
 * Prints: pipe to nowhere: -14
 * Prints: pipe to constants: -14
 * Prints: pipe to the kernel: -14
 * Prints: the next pipe: 3 4
 * Ends: exit 0
 */
#include "shared/hostile.h"

static const int constants[2] = {1, 2};

MAIN
{
    static const int none[] = {3, 16, -1, INT32_MIN};
    int ends[2];
    char text[8];
    pipe(ends);
    result("read from the writing end", read(ends[1], text, 1));
    result("write to the reading end", write(ends[0], text, 1));
    write(ends[1], "abc", 3);
    close(ends[1]);
    result("what was written before", read(ends[0], text, 8));
    result("the end", read(ends[0], text, 8));
    result("the end again", read(ends[0], text, 8));
    result("close", close(ends[0]));
    result("close again", close(ends[0]));
    for (int i = 0; i < 4; i++)
        result("close of no file", close(none[i]));
    result("read of no file", read(ends[0], text, 1));
    result("write to no file", write(ends[0], text, 1));
    result("pipe to nowhere", system_call(SYS_pipe, UNMAPPED));
    result("pipe to constants", system_call(SYS_pipe, constants));
    result("pipe to the kernel", system_call(SYS_pipe, KERNEL));
    pipe(ends);
    print("the next pipe: ");
    print_decimal(ends[0]);
    print(" ");
    print_decimal(ends[1]);
    print("\n");
    return 0;
}
