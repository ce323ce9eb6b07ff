; stack-far.asm: use the stack 1.5 MiB further down than it was.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     [rsp - 0x180000], rax
        survived
