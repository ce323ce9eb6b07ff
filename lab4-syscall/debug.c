/* debug.c: #DB. A program's #DB is an exception like any other; the kernel's own is no mistake. */
#include "debug.h"
#include "trap.h"
#include "x86.h"

static trap_handler_t handle_users;

/*
 * The kernel sets neither TF nor a breakpoint, and yet a #DB can come in ring 0: at the first
 * instruction after SYSCALL, when a MOV SS before it has held the #DB back (SDM vol. 3A 6.8.3;
 * CVE-2018-8897), or when a processor has looked at TF before it cleared it; and anywhere, when
 * somebody debugs the kernel. So go on, without TF, which would bring one #DB after the other, and
 * with RF, or an instruction with a breakpoint would raise it for ever (SDM vol. 3B 17.3.1.1).
 */
static void on_debug(struct trap_frame *frame)
{
    write_dr6(DR6_NOTHING); /* the processor never clears what it has noted there */
    if (came_from_user(frame))
        handle_users(frame);
    else
        frame->rflags = (frame->rflags & ~(uint64_t)RFLAGS_TF) | RFLAGS_RF;
}

void debug_init(void)
{
    handle_users = trap_register(VECTOR_DB, on_debug);
}
