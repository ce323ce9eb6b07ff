; sysexit.asm: leave ring 0 in the other way, from ring 3.
; Ends: SIGILL
%include "hostile.inc"

main:
        lea     rdx, [.there]
        mov     rcx, rsp
        o64     sysexit
.there:
        survived
