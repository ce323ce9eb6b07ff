; cli.asm: switch interrupts off.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        cli
        survived
