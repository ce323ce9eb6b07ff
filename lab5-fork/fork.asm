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
; (leave.inc). The offsets: rip 0, rsp 8, rflags 16, rax 24, rbx 32, rcx 40, rdx 48, rsi 56, rdi 64,
; rbp 72, r8 80 ... r15 136.
global enter_forked_child
enter_forked_child:
; { solution 5.6
        push    qword USER_SS
        push    qword [rdi + 8]         ; rsp
        push    qword [rdi + 16]        ; rflags
        push    qword USER_CS
        push    qword [rdi + 0]         ; rip
        mov     rax, [rdi + 24]
        mov     rbx, [rdi + 32]
        mov     rcx, [rdi + 40]
        mov     rdx, [rdi + 48]
        mov     rsi, [rdi + 56]
        mov     rbp, [rdi + 72]
        mov     r8, [rdi + 80]
        mov     r9, [rdi + 88]
        mov     r10, [rdi + 96]
        mov     r11, [rdi + 104]
        mov     r12, [rdi + 112]
        mov     r13, [rdi + 120]
        mov     r14, [rdi + 128]
        mov     r15, [rdi + 136]
        mov     rdi, [rdi + 64]
        LEAVE_TO_USER
; } solution
