; xsetbv.asm: choose which registers XSAVE saves.
; Ends: SIGILL
%include "hostile.inc"

main:
        xor     ecx, ecx
        mov     eax, 1
        xor     edx, edx
        xsetbv
        survived
