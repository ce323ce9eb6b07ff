; sse-misaligned.asm: an aligned move of what is not aligned.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        movaps  xmm0, [rsp + 1]
        survived
