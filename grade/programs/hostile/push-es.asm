; push-es.asm: an instruction of 32-bit days: push a segment register.
; Ends: SIGILL
%include "hostile.inc"

main:
        db      0x06
        survived
