; cmpxchg16b.asm: an atomic exchange of 16 bytes that are not aligned.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        cmpxchg16b [rsp + 1]
        survived
