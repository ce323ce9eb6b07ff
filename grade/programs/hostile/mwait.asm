; mwait.asm: sleep until memory changes.
; Ends: SIGILL
%include "hostile.inc"

main:
        xor     eax, eax
        xor     ecx, ecx
        mwait
        survived
