; bad-ds.asm: load DS with a selector of ring 0, of a system segment, or of nothing.
; Arguments: 0x08 0x10 0x18 0x1b 0x40 0x43 4 7 0x1000 0xffff
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        mov     ds, eax
        survived
