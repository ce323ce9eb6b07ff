; mov-cr8.asm: mask interrupts by their priority.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 15
        mov     cr8, rax
        survived
