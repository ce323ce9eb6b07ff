; icebp.asm: the other breakpoint of one byte.
; Ends: SIGTRAP
%include "hostile.inc"

main:
        db      0xf1
        survived
