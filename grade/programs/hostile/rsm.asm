; rsm.asm: return from system management mode, where we never were.
; Ends: SIGILL
%include "hostile.inc"

main:
        rsm
        survived
