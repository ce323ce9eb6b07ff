; sse-divide.asm: divide by zero in SSE, and have it complain.
; Ends: SIGFPE
%include "hostile.inc"

main:
        push    0x1f80 & ~0x1e80        ; nothing masked
        ldmxcsr [rsp]
        mov     eax, 1
        cvtsi2sd xmm0, eax
        xorps   xmm1, xmm1
        divsd   xmm0, xmm1
        survived
