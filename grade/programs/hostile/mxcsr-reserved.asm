; mxcsr-reserved.asm: set bits of MXCSR that do not exist.
; Prints: survived
; Ends: exit 99
%include "hostile.inc"

main:
        push    -1
        ldmxcsr [rsp]
        survived
