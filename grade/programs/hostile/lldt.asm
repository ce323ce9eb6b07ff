; lldt.asm: load an LDT.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        xor     eax, eax
        lldt    ax
        survived
