; read-cr3.asm: find out where the page tables lie.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     rax, cr3
        survived
