; lock-nop.asm: lock the bus for an instruction that needs it not.
; Ends: SIGILL
%include "hostile.inc"

main:
        db      0xf0, 0x90
        survived
