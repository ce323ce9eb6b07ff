/* trap.h: what an interrupt or exception leaves on the stack, and who handles it. */
#ifndef TRAP_H
#define TRAP_H

#include "types.h"
#include "x86_bits.h"

/*
 * The interrupted context, lowest address first: the order in which isr.asm pushes, backwards. The
 * processor pushes the last five always in long mode, and the error code for some vectors; isr.asm
 * pushes a 0 for the others, so that every frame looks the same.
 */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(offsetof(struct trap_frame, vector) == 15 * 8, "isr.asm pushes 15 registers");
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "and 7 values lie above them");
_Static_assert(sizeof(struct trap_frame) % 16 == 0, "so the stack is aligned when C is called");

/*
 * Was it ring 3 that was interrupted? Not the U bit of a page fault's error code tells: that is set by
 * the kind of access, and a program can make the processor access its tables and frames as if in
 * ring 0.
 */
static inline bool came_from_user(const struct trap_frame *frame)
{
    return (frame->cs & 3) == 3;
}

typedef void (*trap_handler_t)(struct trap_frame *frame);

/*
 * Let `handler` deal with a vector. It may change the frame: the stub restores it from there. Returns
 * who dealt with it before, for a handler that wants to pass on what is not its own.
 */
trap_handler_t trap_register(unsigned vector, trap_handler_t handler);

/* Called by isr.asm, with interrupts off, for every interrupt and exception. */
void trap(struct trap_frame *frame);

/* What becomes of a vector that nobody registered for: it is reported, and the kernel panics. */
void trap_unexpected(struct trap_frame *frame);

#endif
