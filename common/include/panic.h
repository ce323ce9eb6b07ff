/* panic.h: how a kernel gives up: in words, with a backtrace, and out of the machine. */
#ifndef PANIC_H
#define PANIC_H

#include "error.h"
#include "types.h"

/* Say why, print registers and a backtrace, and leave the machine. Never returns. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Panic with the words for an error, unless it is OK: for what cannot be mended while starting, and
 * for what only a mistake of the kernel's own can make fail.
 */
void must(error_t error);

/* The first words of every panic. Dies at once, quietly, if a panic meets another panic. */
void panic_begin(void);

/* The last words: leave the machine with EXIT_PANIC. */
void panic_end(void) __attribute__((noreturn));

/*
 * Print the chain of return addresses, with function names: first `rip`, then what the frame
 * pointers from `rbp` lead to. Stops at the first frame pointer that cannot be one.
 */
void print_backtrace(uint64_t rip, uint64_t rbp);

/* A condition that the code relies on. In the kernel a false one is a panic. */
#define assert(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition);                  \
    } while (0)

/*
 * Leave the machine: QEMU ends with status (code << 1) | 1. On a machine without QEMU's exit
 * device the processor halts for good.
 */
void machine_exit(uint8_t code) __attribute__((noreturn));

/*
 * A signpost for debuggers and graders: the kernel calls it when all is set up. It does nothing.
 */
void kernel_ready(void);

#endif
