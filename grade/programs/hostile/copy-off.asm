; copy-off.asm: copy further than memory goes: it ends in the middle.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lea     rdi, [page]
        lea     rsi, [main]
        mov     ecx, 0x100000
        rep     movsb
        survived

section .bss align=4096
page:   resb    4096
