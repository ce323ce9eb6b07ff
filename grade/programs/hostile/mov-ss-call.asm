; mov-ss-call.asm: enter the kernel by the one instruction that interrupts cannot precede.
; Prints: here
; Ends: exit 0
%include "hostile.inc"

main:
        mov     r8d, 0x2b
        mov     eax, 1
        mov     edi, 1
        lea     rsi, [text]
        mov     edx, 5
        mov     ss, r8d
        enter_kernel
        quit    0

section .rodata
text:   db      "here", 10
