; mov-cs.asm: load CS like any other segment register.
; Ends: SIGILL
%include "hostile.inc"

main:
        db      0x8e, 0xc8              ; mov cs, ax
        survived
