; ud2.asm: the instruction that is none.
; Ends: SIGILL
%include "hostile.inc"

main:
        ud2
        survived
