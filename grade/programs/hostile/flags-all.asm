; flags-all.asm: meet the kernel with every flag set that can be, but for TF.
; Prints: all set
; Ends: exit 0
%include "hostile.inc"

main:
        push    0x3ffeff
        popfq
        say     "all set"
        spin
        quit    0
