; flag-if.asm: switch interrupts off by POPF, which does nothing, and wait for the timer.
; Prints: still on
; Ends: exit 0
%include "hostile.inc"

main:
        pushfq
        and     dword [rsp], ~0x200     ; IF
        popfq
        spin
        pushfq
        pop     rax
        test    eax, 0x200
        jz      .off
        say     "still on"
        quit    0
.off:
        survived
