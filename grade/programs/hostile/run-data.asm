; run-data.asm: run code in the data segment.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lea     rax, [code]
        jmp     rax

section .data
code:   nop
        jmp     code
