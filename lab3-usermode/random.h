/* random.h: numbers that a program cannot guess. */
#ifndef RANDOM_H
#define RANDOM_H

#include "types.h"

/*
 * Fill `size` bytes: from RDRAND where the processor has it. Where not, the time stamp counter is
 * mixed: that differs from boot to boot, and keeps nobody out who can time the machine.
 */
void random_fill(void *to, size_t size);

#endif
