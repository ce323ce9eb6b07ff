; divide-zero.asm: divide by zero.
; Ends: SIGFPE
%include "hostile.inc"

main:
        xor     ecx, ecx
        mov     eax, 1
        cdq
        idiv    ecx
        survived
