; run-off.asm: run off the end of the code.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        jmp     last

section .text.last progbits alloc exec nowrite align=4096
        times   4095 db 0xcc
last:   nop
