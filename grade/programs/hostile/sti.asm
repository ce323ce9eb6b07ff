; sti.asm: switch interrupts on.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        sti
        survived
