; lmsw.asm: change CR0 the old way.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 1
        lmsw    ax
        survived
