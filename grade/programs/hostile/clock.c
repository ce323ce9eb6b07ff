/*
 * clock.c: the time, to where it cannot be written, and of clocks that there are not.
 * Labs: 4
 * Prints: to a variable: 0
 * Prints: to nowhere: -14
 * Prints: to the kernel: -14
 * Prints: to our code: -14
 * Prints: to constants: -14
 * Prints: across the end of memory: -14
 * Prints: clock 99: -22
 * Prints: clock -1: -22
 * Prints: no clock to nowhere: -22
 * Ends: exit 0
 */
#include "shared/hostile.h"

static char memory[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* behind it is nothing */
static const uint64_t constants[2] = {1, 2};

static void attempt(const char *what, long clock, uint64_t address)
{
    result(what, system_call(SYS_clock_gettime, clock, address));
}

MAIN
{
    attempt("to a variable", 1, (uintptr_t)memory);
    attempt("to nowhere", 1, 0);
    attempt("to the kernel", 1, KERNEL);
    attempt("to our code", 1, (uintptr_t)main);
    attempt("to constants", 1, (uintptr_t)constants);
    attempt("across the end of memory", 1, (uintptr_t)memory + PAGE_SIZE - 8);
    attempt("clock 99", 99, (uintptr_t)memory);
    attempt("clock -1", -1, (uintptr_t)memory);
    attempt("no clock to nowhere", 99, 0);
    return 0;
}
