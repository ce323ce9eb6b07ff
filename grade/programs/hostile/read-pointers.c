/*
 * read-pointers.c: read from a pipe to where nothing can be written. What was in the pipe still is.
 * Labs: 5
 * Prints: to nowhere: -14
 * Prints: to our code: -14
 * Prints: to constants: -14
 * Prints: not canonical: -14
 * Prints: to the kernel: -14
 * Prints: nothing, to the kernel: -14
 * Prints: more than there is: -14
 * Prints: across the edge: -14
 * Prints: the rest: 8
 * Prints: qrstuvwx
 * Ends: exit 0
 */
#include "shared/hostile.h"

static const char constants[8] = "constant";
static int ends[2];

static void attempt(const char *what, uint64_t address, uint64_t size)
{
    result(what, system_call(SYS_read, ends[0], address, size));
}

MAIN
{
    char text[8] = "";
    uint64_t edge = ((uint64_t)system_call(SYS_brk, 0) + PAGE_SIZE - 1) & -(uint64_t)PAGE_SIZE;
    system_call(SYS_brk, edge + PAGE_SIZE);
    pipe(ends);
    write(ends[1], "qrstuvwx", 8);
    attempt("to nowhere", UNMAPPED, 8);
    attempt("to our code", (uintptr_t)main, 8);
    attempt("to constants", (uintptr_t)constants, 8);
    attempt("not canonical", NOT_CANONICAL, 8);
    attempt("to the kernel", KERNEL, 8);
    attempt("nothing, to the kernel", KERNEL, 0);
    attempt("more than there is", (uintptr_t)text, -1);
    attempt("across the edge", edge + PAGE_SIZE - 2, 8);
    result("the rest", read(ends[0], text, 8));
    write(1, text, 8);
    print("\n");
    return 0;
}
