; retf-ring0.asm: return to ring 0 as if from a far call.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        push    0x08                    ; CS
        lea     rax, [.there]
        push    rax
        retfq
.there:
        survived
