; run-rodata.asm: run code among the constants.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lea     rax, [code]
        jmp     rax

section .rodata
code:   nop
        jmp     code
