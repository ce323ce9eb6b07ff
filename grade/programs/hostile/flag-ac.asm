; flag-ac.asm: meet the kernel with SMAP's own switch on.
; Prints: checked
; Ends: exit 0
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x40000    ; AC
        popfq
        say     "checked"
        spin
        quit    0
