; write.asm: write to an address that is not ours.
; Arguments: 0 1 0xfff 0x10000000 0x7ffffffff000 0x7fffffffffff 0x800000000000 0xffff7fffffffffff
; Arguments: 0xffff800000000000 0xffffc90000001000 0xffffffff80101000 0xffffffffffff0000
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        mov     [rax], rax
        survived
