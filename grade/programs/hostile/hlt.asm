; hlt.asm: stop the processor until the next interrupt.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        hlt
        survived
