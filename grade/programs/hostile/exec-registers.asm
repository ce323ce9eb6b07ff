; exec-registers.asm: become a file that is none; every register is as it was.
; Labs: 5
; Arguments: broken-text nobody
; Prints: all kept
; Ends: exit 0
%include "hostile.inc"

main:
        mov     rdi, [rsi + 8]          ; the argument is the file
        mov     [file], rdi
        mov     [stack], rsp
        fill_xmm
        xor     esi, esi
        fill    rbx, rbp, r8, r9, r10, r12, r13, r14, r15
        xor     edx, edx
        mov     eax, 59                 ; execve
        enter_kernel
        cmp     rsp, [stack]
        jne     .lost
        cmp     rdi, [file]
        jne     .lost
        or      rsi, rdx
        jnz     .lost
        compare rbx, rbp, r8, r9, r10, r12, r13, r14, r15
        compare_xmm
        say     "all kept"
        quit    0
.lost:  say     "lost"
        quit    1

section .bss
file:   resq    1
stack:  resq    1
