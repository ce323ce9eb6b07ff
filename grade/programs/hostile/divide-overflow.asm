; divide-overflow.asm: divide the lowest number by -1: there is no such quotient.
; Ends: SIGFPE
%include "hostile.inc"

main:
        mov     rax, 1 << 63
        cqo
        mov     rcx, -1
        idiv    rcx
        survived
