; gs-cleared.asm: have a GS base, and lose it by loading the null selector.
; Labs: 4
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 158                ; arch_prctl
        mov     edi, 0x1001             ; ARCH_SET_GS
        lea     rsi, [block]
        enter_kernel
        mov     eax, 0x2b               ; loads a base of 0 on every processor
        mov     gs, eax
        mov     eax, [gs:8]
        survived

section .data
block:  dq      0, 0x1234
