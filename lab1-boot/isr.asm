; isr.asm: the 256 entry points of the IDT, and the one way through them to trap() and back.
;
; A stub says which vector it is, and makes up an error code where the processor pushes none, so
; that the stack holds a struct trap_frame (trap.h) whatever happened:
;
;       ss, rsp, rflags, cs, rip        pushed by the processor (Intel SDM vol. 3A 6.14.2)
;       error                           by the processor, or 0 by the stub
;       vector                          by the stub
;       rax rbx rcx rdx rsi rdi rbp     by isr_common
;       r8 ... r15
%include "constants.inc"
%include "not_written.inc"

extern trap

section .text progbits alloc exec nowrite align=16
bits 64

; Vectors with an error code (SDM vol. 3A table 6-1; AMD APM vol. 2 table 8-1 for 29 and 30): bit n
; stands for vector n.
%assign HAS_ERROR_CODE 1 << VECTOR_DF | 1 << VECTOR_TS | 1 << VECTOR_NP | 1 << VECTOR_SS | \
                       1 << VECTOR_GP | 1 << VECTOR_PF | 1 << VECTOR_AC | 1 << VECTOR_CP | \
                       1 << VECTOR_VC | 1 << VECTOR_SX

; Exercise 1.6 (15 points), first part: the body of the stub for vector %1. HAS_ERROR_CODE knows
; which vectors come with an error code. A vector does not fit into `push byte`, whose operand is
; signed.
%macro STUB 1
; { solution 1.6
  %if %1 >= 32 || (HAS_ERROR_CODE >> %1) & 1 == 0
        push    qword 0                 ; no error code: keep the frame's shape
  %endif
        push    qword %1
        jmp     isr_common
; } solution
%endmacro

; Second part: save the registers in the order of struct trap_frame, call trap(frame) as the psABI
; wants it (DF clear; RSP a multiple of 16), restore what is then in the frame, and return.
isr_common:
; { solution 1.6
        push    rax
        push    rbx
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    rbp
        push    r8
        push    r9
        push    r10
        push    r11
        push    r12
        push    r13
        push    r14
        push    r15
        cld                             ; the interrupted code may have set DF
        mov     rdi, rsp                ; the frame is 22 * 8 bytes, and the processor aligned RSP
        call    trap                    ; before it pushed: so RSP is aligned here

        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rbp
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rbx
        pop     rax
        add     rsp, 16                 ; vector and error code
        iretq
; } solution

%assign vector 0
%rep VECTORS
        align   16
isr_%+vector:
        STUB    vector
  %assign vector vector + 1
%endrep

section .rodata progbits alloc noexec nowrite align=8
global isr_stubs
isr_stubs:
%assign vector 0
%rep VECTORS
        dq      isr_%+vector
  %assign vector vector + 1
%endrep
