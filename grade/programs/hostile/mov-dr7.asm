; mov-dr7.asm: set a debug register: a breakpoint in the kernel.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     eax, 0x401
        mov     dr7, rax
        survived
