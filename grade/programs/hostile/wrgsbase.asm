; wrgsbase.asm: give GS_BASE an address of the kernel, by the instruction made for it.
; Ends: SIGILL
%include "hostile.inc"

main:
        mov     rax, KERNEL
        wrgsbase rax
        survived
