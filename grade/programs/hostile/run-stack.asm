; run-stack.asm: run code on the stack.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        push    0x90                    ; nop
        jmp     rsp
        survived
