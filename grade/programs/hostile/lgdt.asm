; lgdt.asm: load a GDT of our own.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lgdt    [rsp - 16]
        survived
