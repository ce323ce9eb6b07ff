; mov-cr4.asm: switch SMEP and SMAP off.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 0x620
        mov     cr4, rax
        survived
