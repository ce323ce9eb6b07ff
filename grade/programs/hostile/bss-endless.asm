; bss-endless.asm: ask for 1 TiB of zeros: more than the machine has.
; Ends: not started
%include "hostile.inc"

main:
        survived

section .bss
        resb    1 << 40
