/* fork_offsets.c: what fork.asm knows of struct fork_child_registers: see offsets.h. */
#include "fork.h"
#include "offsets.h"

#define CHILD(name, field) OFFSET(name, struct fork_child_registers, field)

static void __attribute__((used)) offsets(void)
{
    CHILD(CHILD_RIP, rip);
    CHILD(CHILD_RSP, rsp);
    CHILD(CHILD_RFLAGS, rflags);
    CHILD(CHILD_RAX, rax);
    CHILD(CHILD_RBX, rbx);
    CHILD(CHILD_RCX, rcx);
    CHILD(CHILD_RDX, rdx);
    CHILD(CHILD_RSI, rsi);
    CHILD(CHILD_RDI, rdi);
    CHILD(CHILD_RBP, rbp);
    CHILD(CHILD_R8, r8);
    CHILD(CHILD_R9, r9);
    CHILD(CHILD_R10, r10);
    CHILD(CHILD_R11, r11);
    CHILD(CHILD_R12, r12);
    CHILD(CHILD_R13, r13);
    CHILD(CHILD_R14, r14);
    CHILD(CHILD_R15, r15);
}
