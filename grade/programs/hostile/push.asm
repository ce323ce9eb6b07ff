; push.asm: push onto a stack that is not ours.
; Arguments: 0 8 0xffff800000001000 0xffffc90000004000 0xffffffff80101000
; Ends: SIGSEGV
; Arguments: 0x800000001000 0xffff7fffffffff00
; Ends: SIGBUS
%include "hostile.inc"

main:
        argument
        mov     rsp, rax
        push    rax
        survived
