/* user_fault.c: exceptions of programs. The kernel says what happened, and ends the program. */
#include "user_fault.h"
#include "not_written.h"
#include "print.h"
#include "process.h"
#include "report.h"
#include "signals.h"
#include "user_stack.h"
#include "x86.h"

/* The signal that Linux sends for each exception (arch/x86/kernel/traps.c). */
static int signal_for(uint64_t vector)
{
    switch (vector) {
    case VECTOR_DE:
    case VECTOR_MF:
    case VECTOR_XM:
        return SIGFPE;
    case VECTOR_DB:
    case VECTOR_BP:
        return SIGTRAP;
    case VECTOR_UD:
        return SIGILL;
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_AC:
        return SIGBUS;
    default:
        return SIGSEGV;
    }
}

/*
 * Exercise 3.8 (15 points). An exception has come. From ring 0 it is a mistake of the kernel's:
 * trap_unexpected. From ring 3: if it is a page fault, the page is not present, and user_stack_grow
 * can help, all is well: return. Else report_line, the address of a page fault, and the end of the
 * process by signal_for.
 */
static void on_exception(struct trap_frame *frame)
{
    /* { solution 3.8 */
    if (!came_from_user(frame))
        trap_unexpected(frame);
    bool page_fault = frame->vector == VECTOR_PF;
    vaddr_t address = read_cr2();
    if (page_fault && (frame->error & PF_PRESENT) == 0 &&
        user_stack_grow(current_process->image.root, address))
        return;
    kprintf("process %s: ", current_process->image.name);
    report_line(frame);
    if (page_fault)
        kprintf("  the address was %016lx\n", address);
    process_kill(signal_for(frame->vector));
    /* } solution */
}

void user_faults_init(void)
{
    for (unsigned vector = 0; vector < 32; vector++)
        if (vector != VECTOR_NMI && vector != VECTOR_DF && vector != VECTOR_MC)
            trap_register(vector, on_exception);
}
