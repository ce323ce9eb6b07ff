/* syscall_entry.h: system calls by SYSCALL. */
#ifndef SYSCALL_ENTRY_H
#define SYSCALL_ENTRY_H

#include "types.h"

/*
 * What syscall_entry keeps of the program, lowest address first: the order in which it pushes,
 * backwards. SYSCALL itself put the program's RIP into rcx and its RFLAGS into r11.
 */
struct syscall_frame {
    uint64_t r9, r8, r10, rdx, rsi, rdi;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t r11; /* RFLAGS */
    uint64_t rcx; /* RIP */
    uint64_t rax; /* the number */
    uint64_t rsp;
};

_Static_assert(offsetof(struct syscall_frame, rcx) == SYSCALL_FRAME_RIP, "as layout.h has it");
_Static_assert(sizeof(struct syscall_frame) % 16 == 0, "so the stack is aligned when C is called");

/*
 * Set up SYSCALL: the MSRs STAR, LSTAR, SFMASK, KERNEL_GS_BASE and EFER, then GS for the kernel. A
 * panic if the GDT is not as SYSCALL and SYSRET assume it to be. Must come after gdt_init, with
 * interrupts off.
 */
void init_syscall(void);

/* The program's stack pointer, while a system call by SYSCALL is being served. */
uint64_t get_saved_user_rsp(void);

/* The address that GS_BASE has in the kernel. */
uint64_t per_cpu_data_ptr(void);

/* A frame that SYSRET must not be given: the program ends by SIGSEGV. */
void syscall_bad_return(void) __attribute__((noreturn));

#endif
