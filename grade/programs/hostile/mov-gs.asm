; mov-gs.asm: load GS with whatever is allowed, and meet the kernel with it.
; Arguments: 0 1 2 3 0x28 0x2b 0x30 0x33
; Prints: kernel met
; Ends: exit 0
%include "hostile.inc"

main:
        argument
        mov     gs, eax
        spin
        say     "kernel met"
        quit    0
