; flags-kept.asm: have the kernel change a flag of ours.
; Prints: kept
; Ends: exit 0
%include "hostile.inc"

main:
        mov     edi, -1                 ; write to a file that there is not
        mov     eax, 1
        push    0x244cd5 | 0x202        ; CF PF AF ZF SF DF NT AC ID
        popfq
        enter_kernel
        pushfq
        pop     rax
        cmp     rax, 0x244cd5 | 0x202
        jne     .lost
        say     "kept"
        quit    0
.lost:  say     "lost"
        quit    1
