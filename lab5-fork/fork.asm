; fork.asm: a child's first steps.
%include "constants.inc"
%include "leave.inc"
%include "not_written.inc"

extern end_if_killed

section .text progbits alloc exec nowrite align=16
bits 64

; The first switch_stacks to a child returns here, with RSP at its struct fork_child_registers: 144
; bytes below the top of the stack, so it is a multiple of 16, as it must be before a call (psABI
; 3.2.2). Who was killed before it ever ran goes no further.
global forked_child_starts
forked_child_starts:
        call    end_if_killed
        mov     rdi, rsp

; Exercise 5.6 (10 points). void enter_forked_child(rdi registers): build IRETQ's frame (see
; usermode.asm), load every register from the struct, the one that points to it last, and leave
; (leave.inc). The fields of the struct lie at [rdi + CHILD_RIP] and so on: fork_offsets.c.
global enter_forked_child
enter_forked_child:
; { solution 5.6
        push    qword USER_SS
        push    qword [rdi + CHILD_RSP]
        push    qword [rdi + CHILD_RFLAGS]
        push    qword USER_CS
        push    qword [rdi + CHILD_RIP]
        mov     rax, [rdi + CHILD_RAX]
        mov     rbx, [rdi + CHILD_RBX]
        mov     rcx, [rdi + CHILD_RCX]
        mov     rdx, [rdi + CHILD_RDX]
        mov     rsi, [rdi + CHILD_RSI]
        mov     rbp, [rdi + CHILD_RBP]
        mov     r8, [rdi + CHILD_R8]
        mov     r9, [rdi + CHILD_R9]
        mov     r10, [rdi + CHILD_R10]
        mov     r11, [rdi + CHILD_R11]
        mov     r12, [rdi + CHILD_R12]
        mov     r13, [rdi + CHILD_R13]
        mov     r14, [rdi + CHILD_R14]
        mov     r15, [rdi + CHILD_R15]
        mov     rdi, [rdi + CHILD_RDI]
        LEAVE_TO_USER
; } solution
