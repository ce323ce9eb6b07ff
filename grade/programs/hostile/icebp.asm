; icebp.asm: the other breakpoint of one byte.
; Ends: SIGILL
%include "hostile.inc"

main:
        db      0xf1
        survived
