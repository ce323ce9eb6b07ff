; flag-nt.asm: meet the kernel as a nested task, which IRET does not like.
; Prints: nested
; Ends: exit 0
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x4000     ; NT
        popfq
        say     "nested"
        spin
        quit    0
