/* trap.c: who handles which interrupt. */
#include "trap.h"
#include "panic.h"
#include "report.h"

static trap_handler_t handlers[VECTORS]; /* NULL: trap_unexpected */

static trap_handler_t handler_of(uint64_t vector)
{
    return handlers[vector] != NULL ? handlers[vector] : trap_unexpected;
}

trap_handler_t trap_register(unsigned vector, trap_handler_t handler)
{
    assert(vector < VECTORS);
    trap_handler_t before = handler_of(vector);
    handlers[vector] = handler;
    return before;
}

void trap(struct trap_frame *frame)
{
    handler_of(frame->vector)(frame);
}

void trap_unexpected(struct trap_frame *frame)
{
    panic_begin();
    report_trap(frame);
    panic_end();
}
