; rdpmc.asm: read a performance counter.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        xor     ecx, ecx
        rdpmc
        survived
