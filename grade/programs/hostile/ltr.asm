; ltr.asm: load a task register.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 0x18
        ltr     ax
        survived
