; run_on_stack.asm: a function call on another stack.
section .text progbits alloc exec nowrite align=16
bits 64

; int64_t run_on_stack(rdi top, rsi function, rdx argument)
global run_on_stack
run_on_stack:
        push    rbp
        mov     rbp, rsp
        mov     rsp, rdi
        mov     rdi, rdx
        call    rsi
        mov     rsp, rbp
        pop     rbp
        ret
