; write-rodata.asm: change our own constants.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     byte [constant], 1
        survived

section .rodata
constant:
        db      0
