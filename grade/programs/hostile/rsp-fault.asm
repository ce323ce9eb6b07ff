; rsp-fault.asm: make a mistake without a stack.
; Arguments: 0 8 0xffff800000001000 0xffffc90000004000 0xffffffff80101000 0x800000001000
; Arguments: 0xffff7fffffffff00
; Ends: SIGILL
%include "hostile.inc"

main:
        argument
        mov     rsp, rax
        ud2
        survived
