; sysret.asm: leave ring 0, from ring 3.
; Labs: 4
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lea     rcx, [.there]
        mov     r11d, 0x202
        o64     sysret
.there:
        survived
