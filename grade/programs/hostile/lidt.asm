; lidt.asm: load an IDT of our own.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lidt    [rsp - 16]
        survived
