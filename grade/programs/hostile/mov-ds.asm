; mov-ds.asm: load DS and ES with whatever is allowed, and meet the kernel with it.
; Arguments: 0 3 0x2b 0x33
; Prints: kernel met
; Ends: exit 0
%include "hostile.inc"

main:
        argument
        mov     ds, eax
        mov     es, eax
        spin
        say     "kernel met"
        quit    0
