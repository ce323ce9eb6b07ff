; swapgs.asm: take the GS base that is the kernel's.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        swapgs
        survived
