; into.asm: an instruction of 32-bit days: overflow.
; Ends: SIGILL
%include "hostile.inc"

main:
        db      0xce
        survived
