; rsp-timer.asm: be interrupted without a stack.
; Arguments: 0 0x800000001000 0xffffffff80101000
; Prints: interrupted
; Ends: exit 0
%include "hostile.inc"

main:
        argument
        mov     rsp, rax
        spin
        say     "interrupted"
        quit    0
