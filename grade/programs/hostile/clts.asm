; clts.asm: let the FPU believe that no task was switched.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        clts
        survived
