/*
 * wait-pointers.c: the status to where nothing can be written. The child is gone all the same.
 * Labs: 5
 * Prints: to nobody: ok, then -10
 * Prints: to nowhere: -14, then -10
 * Prints: to our code: -14, then -10
 * Prints: to constants: -14, then -10
 * Prints: across the end of memory: -14, then -10
 * Prints: not canonical: -14, then -10
 * Prints: to the kernel: -14, then -10
 * Prints: to the last address: -14, then -10
 * Ends: exit 0
 */
#include "shared/hostile.h"

static const char constants[8] = "constant";

static void attempt(const char *what, uint64_t address)
{
    int pid = fork();
    if (pid == 0)
        exit(1);
    long first = system_call(SYS_wait4, pid, address, 0L, 0L);
    print(what);
    print(": ");
    if (first == pid)
        print("ok");
    else
        print_decimal(first);
    print(", then ");
    print_decimal(system_call(SYS_wait4, pid, address, 0L, 0L));
    print("\n");
}

MAIN
{
    attempt("to nobody", 0);
    attempt("to nowhere", UNMAPPED);
    attempt("to our code", (uintptr_t)main);
    attempt("to constants", (uintptr_t)constants);
    attempt("across the end of memory", USER_END - 2);
    attempt("not canonical", NOT_CANONICAL);
    attempt("to the kernel", KERNEL);
    attempt("to the last address", -1);
    return 0;
}
