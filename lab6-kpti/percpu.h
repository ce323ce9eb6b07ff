/* percpu.h: what the processor must find when nothing but GS is left to find it with. */
#ifndef PERCPU_H
#define PERCPU_H

#include "types.h"

struct syscall_frame;

/*
 * SYSCALL changes neither the stack nor any base register, so its entry code has no register of its
 * own to begin with. SWAPGS gives it one: in the kernel GS_BASE is the address of this, in ring 3
 * the program's, and the other one waits in the MSR KERNEL_GS_BASE.
 */
struct percpu {
    uint64_t kernel_rsp;         /* where syscall_entry's stack begins: a multiple of 16 */
    uint64_t user_rsp;           /* a place for the program's RSP, for three instructions */
    struct syscall_frame *frame; /* of the system call by SYSCALL that is being served, or NULL */
    uint64_t scratch;            /* a place for one register, on the way in and on the way out */
    uint64_t cr3_switch;         /* what CR3 is XORed with on the way in and on the way out */
};

_Static_assert(offsetof(struct percpu, kernel_rsp) == PERCPU_KERNEL_RSP, "as layout.h has it");
_Static_assert(offsetof(struct percpu, frame) == PERCPU_FRAME, "as layout.h has it");
_Static_assert(offsetof(struct percpu, cr3_switch) == PERCPU_CR3_SWITCH, "as layout.h has it");

extern struct percpu percpu;

#endif
