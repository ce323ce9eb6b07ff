; jump-compat.asm: become a 32-bit program, through the selector that Linux has for that.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        push    0x23
        lea     rax, [.there]
        push    rax
        jmp     qword far [rsp]
.there:
        survived
