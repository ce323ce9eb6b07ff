; switch.asm: from one kernel stack to another.
section .text progbits alloc exec nowrite align=16
bits 64

; void switch_stacks(rdi from, rsi to): push what a function must preserve (psABI 3.2.1), store RSP
; in *from, and take up the stack `to`, on which the same was done. To its caller, a call of this
; function takes as long as it takes until somebody switches back.
global switch_stacks
switch_stacks:
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [rdi], rsp
        mov     rsp, rsi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret
