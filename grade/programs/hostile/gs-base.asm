; gs-base.asm: meet the kernel with a GS base of our own, in every way.
; Labs: 4
; Arguments: 0
; Prints: kept
; Ends: exit 0
; Arguments: 1
; Prints: kept
; Ends: SIGILL
; Arguments: 2
; Prints: kept
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        mov     r12, rax
        mov     eax, 158                ; arch_prctl
        mov     edi, 0x1001             ; ARCH_SET_GS
        lea     rsi, [block]
        enter_kernel
        spin
        mov     eax, [gs:8]
        cmp     eax, 0x1234
        jne     .lost
        say     "kept"
        cmp     r12, 1
        je      .invalid
        ja      .fault
        quit    0
.invalid:
        ud2
.fault: mov     rax, [abs 0]
.lost:  survived

section .data
block:  dq      0, 0x1234
