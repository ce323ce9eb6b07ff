; alignment-check.asm: have misaligned accesses checked, and make one.
; Ends: SIGBUS
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x40000    ; AC
        popfq
        mov     eax, [rsp + 1]
        survived
