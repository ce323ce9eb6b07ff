; rsp-call.asm: make a system call without a stack.
; Arguments: 0 8 0xffff800000001000 0xffffc90000004000 0xffffffff80101000 0x800000001000
; Arguments: 0xffff7fffffffff00
; Prints: no stack needed
; Ends: exit 0
%include "hostile.inc"

main:
        argument
        mov     rsp, rax
        say     "no stack needed"
        quit    0
