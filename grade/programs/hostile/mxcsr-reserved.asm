; mxcsr-reserved.asm: set bits of MXCSR that do not exist.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        push    -1
        ldmxcsr [rsp]
        survived
