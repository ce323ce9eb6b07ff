; int3.asm: the breakpoint of one byte.
; Ends: SIGTRAP
%include "hostile.inc"

main:
        int3
        survived
