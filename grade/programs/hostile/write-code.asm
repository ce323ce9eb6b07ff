; write-code.asm: change our own code.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     byte [main], 0x90
        survived
