; alignment-check.asm: have misaligned accesses checked, and make one.
; Prints: survived
; Ends: exit 99
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x40000    ; AC
        popfq
        mov     eax, [rsp + 1]
        survived
