; heap-shrunk.asm: read memory that we have given back to brk.
; Labs: 4
; Prints: given back
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 12                 ; brk
        xor     edi, edi
        enter_kernel
        mov     rbx, rax
        lea     rdi, [rax + 8192]
        mov     eax, 12
        enter_kernel
        mov     [rbx + 4096], rbx       ; it was there, and its translation is known
        lea     rdi, [rbx + 4096]
        mov     eax, 12
        enter_kernel
        say     "given back"
        mov     rax, [rbx + 4096]
        survived
