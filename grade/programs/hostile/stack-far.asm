; stack-far.asm: use the stack 8.5 MiB further down than it was.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     [rsp - 0x880000], rax
        survived
