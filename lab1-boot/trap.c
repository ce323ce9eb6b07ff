/* trap.c: who handles which interrupt. */
#include "trap.h"
#include "panic.h"
#include "report.h"

static trap_handler_t handlers[VECTORS];

void trap_register(unsigned vector, trap_handler_t handler)
{
    assert(vector < VECTORS);
    handlers[vector] = handler;
}

void trap(struct trap_frame *frame)
{
    trap_handler_t handler = handlers[frame->vector];
    if (handler == NULL)
        handler = trap_unexpected;
    handler(frame);
}

void trap_unexpected(struct trap_frame *frame)
{
    panic_begin();
    report_trap(frame);
    panic_end();
}
