; too-long.asm: an instruction of more than 15 bytes.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        times   15 db 0x66
        nop
        survived
