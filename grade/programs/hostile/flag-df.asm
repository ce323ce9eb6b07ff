; flag-df.asm: meet the kernel with strings going backwards.
; Prints: backwards
; Ends: exit 0
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x400      ; DF
        popfq
        say     "backwards"
        spin
        quit    0
