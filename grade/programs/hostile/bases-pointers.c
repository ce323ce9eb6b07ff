/*
 * bases-pointers.c: ask for the FS base, to where it cannot be written; and for what there is not.
 * Labs: 4
 * Prints: to nowhere: -14
 * Prints: to the kernel: -14
 * Prints: to our code: -14
 * Prints: across the end of memory: -14
 * Prints: code 0: -22
 * Prints: code 0x9999: -22
 * Prints: code -1: -22
 * Ends: exit 0
 */
#include "shared/hostile.h"

static char memory[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* behind it is nothing */

static void attempt(const char *what, long code, uint64_t address)
{
    result(what, system_call(SYS_arch_prctl, code, address));
}

MAIN
{
    attempt("to nowhere", ARCH_GET_FS, UNMAPPED);
    attempt("to the kernel", ARCH_GET_GS, KERNEL);
    attempt("to our code", ARCH_GET_FS, (uintptr_t)main);
    attempt("across the end of memory", ARCH_GET_GS, (uintptr_t)memory + PAGE_SIZE - 4);
    attempt("code 0", 0, (uintptr_t)memory);
    attempt("code 0x9999", 0x9999, (uintptr_t)memory);
    attempt("code -1", -1, (uintptr_t)memory);
    return 0;
}
