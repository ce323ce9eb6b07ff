; iretq-ring0.asm: return to ring 0 as if from an interrupt.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     rax, rsp
        push    0x10                    ; SS
        push    rax                     ; RSP
        push    0x202                   ; RFLAGS
        push    0x08                    ; CS
        lea     rax, [.there]
        push    rax
        iretq
.there:
        survived
