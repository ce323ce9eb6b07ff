/* int80.c: system calls by a software interrupt: number in RAX, arguments as Linux's SYSCALL. */
#include "int80.h"
#include "idt.h"
#include "process.h"
#include "syscall.h"
#include "trap.h"
#include "x86.h"

extern const vaddr_t isr_stubs[VECTORS];

/*
 * The registers are in the frame; RAX gets the result. fork wants to see the frame. Some calls leave
 * interrupts on, and one must not come any more when GS is the program's again.
 */
static void on_int80(struct trap_frame *frame)
{
    current_process->int80 = frame;
    syscall_t call = syscall_lookup(frame->rax);
    frame->rax =
        (uint64_t)call(frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9);
    cli();
}

/* An interrupt gate whose DPL is 3 lets ring 3 in. */
void int80_init(void)
{
    idt_set_gate(VECTOR_SYSCALL, isr_stubs[VECTOR_SYSCALL], 0, 3);
    idt_set_gate(VECTOR_BP, isr_stubs[VECTOR_BP], 0, 3);
    trap_register(VECTOR_SYSCALL, on_int80);
}
