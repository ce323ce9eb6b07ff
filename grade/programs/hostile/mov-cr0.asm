; mov-cr0.asm: switch write protection off for ring 0.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 0x80000011
        mov     cr0, rax
        survived
