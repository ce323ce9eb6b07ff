/* entry_offsets.c: what the kernel's entry points know of C's structures: see offsets.h. */
#include "gdt.h"
#include "offsets.h"
#include "percpu.h"
#include "syscall_entry.h"
#include "trap.h"

static void __attribute__((used)) offsets(void)
{
    OFFSET(PERCPU_KERNEL_RSP, struct percpu, kernel_rsp);
    OFFSET(PERCPU_USER_RSP, struct percpu, user_rsp);
    OFFSET(PERCPU_FRAME, struct percpu, frame);

    OFFSET(SYSCALL_FRAME_RIP, struct syscall_frame, rcx);
    OFFSET(SYSCALL_FRAME_RAX, struct syscall_frame, rax);
    OFFSET(SYSCALL_FRAME_RSP, struct syscall_frame, rsp);

    OFFSET(TRAP_FRAME_VECTOR, struct trap_frame, vector);
    OFFSET(TRAP_FRAME_CS, struct trap_frame, cs);

    OFFSET(TSS_RSP0, struct tss, rsp);
}
