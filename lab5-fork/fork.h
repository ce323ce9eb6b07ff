/* fork.h: one process becomes two. */
#ifndef FORK_H
#define FORK_H

#include "error.h"
#include "types.h"

struct process;

/* Every register of ring 3, and the flags: what a child starts with. */
struct fork_child_registers {
    uint64_t rip, rsp, rflags;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};

_Static_assert(sizeof(struct fork_child_registers) % 16 == 0, "so the stack is aligned: fork.asm");

/*
 * The registers that the running process will have when its system call returns, but for RAX, which
 * is 0: from the frame of SYSCALL or of int 0x80, whichever is being served.
 */
void capture_registers(struct fork_child_registers *registers);

/* Leave for ring 3 with these registers. GS is the kernel's, interrupts are off. */
void enter_forked_child(const struct fork_child_registers *registers) __attribute__((noreturn));

/*
 * Make a copy of the running process, which will return 0 from the same system call. Errors of
 * process_allocate, address_space_create and clone_address_space: everything is given back then.
 */
error_t process_fork(struct process **child);

#endif
