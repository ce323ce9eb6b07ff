; mov-cr3.asm: choose other page tables.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        xor     eax, eax
        mov     cr3, rax
        survived
