; iretq-ring3.asm: return to ring 3 as if from an interrupt, which needs no right at all.
; Prints: survived
; Ends: exit 99
%include "hostile.inc"

main:
        mov     rax, rsp
        push    0x2b                    ; SS
        push    rax                     ; RSP
        push    0x202                   ; RFLAGS
        push    0x33                    ; CS
        lea     rax, [.there]
        push    rax
        iretq
.there:
        survived
