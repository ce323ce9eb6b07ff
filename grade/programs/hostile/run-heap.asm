; run-heap.asm: run code in memory that brk gave.
; Labs: 4
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 12                 ; brk
        xor     edi, edi
        enter_kernel
        mov     rbx, rax
        lea     rdi, [rax + 4096]
        mov     eax, 12
        enter_kernel
        mov     byte [rbx], 0xc3        ; ret
        call    rbx
        survived
