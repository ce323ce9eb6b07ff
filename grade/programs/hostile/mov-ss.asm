; mov-ss.asm: load SS with the null selector, which only ring 0 may.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        xor     eax, eax
        mov     ss, eax
        survived
