/*
 * code-fork.c: write to code, constants and the parent's stack from a child: that a page is shared
 * makes it no more writable than it was. Nor may the kernel write there for us.
 * Labs: 5
 * Prints: to code: signal: 11
 * Prints: to constants: signal: 11
 * Prints: run the heap: signal: 11
 * Prints: read() to code: exit: 14
 * Prints: read() to constants: exit: 14
 * Prints: ours: 0
 * Prints: to code: signal: 11
 * Ends: exit 0
 */
#include "shared/hostile.h"

static const char constants[8] = "constant";
static volatile char data[8];

static void attempt_write(const char *what, const volatile char *at)
{
    int pid = fork();
    if (pid == 0) {
        *(volatile char *)opaque((uintptr_t)at) = 0x12;
        exit(0);
    }
    ended(what, pid);
}

static void attempt_read(const char *what, const volatile char *at)
{
    int ends[2];
    pipe(ends);
    write(ends[1], "xxxx", 4);
    int pid = fork();
    if (pid == 0)
        exit((int)-read(ends[0], (void *)opaque((uintptr_t)at), 4));
    ended(what, pid);
    close(ends[0]);
    close(ends[1]);
}

static void attempt_run(const char *what)
{
    int pid = fork();
    if (pid == 0) {
        data[0] = (char)0xc3; /* RET */
        ((void (*)(void))opaque((uintptr_t)data))();
        exit(0);
    }
    ended(what, pid);
}

MAIN
{
    const volatile char *code = (const volatile char *)opaque((uintptr_t)main);
    const char first = *code;
    attempt_write("to code", code);
    attempt_write("to constants", constants);
    attempt_run("run the heap");
    attempt_read("read() to code", code);
    attempt_read("read() to constants", constants);
    result("ours", (*code != first) + (*(const volatile char *)constants != 'c') + (data[0] != 0));
    attempt_write("to code", code);
    return 0;
}
