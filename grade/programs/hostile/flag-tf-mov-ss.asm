; flag-tf-mov-ss.asm: step into the kernel by the one instruction that a trap cannot precede.
; Prints: stepped
; Ends: SIGTRAP
%include "hostile.inc"

main:
        mov     r8d, 0x2b
        mov     eax, 1
        mov     edi, 1
        lea     rsi, [text]
        mov     edx, 8
        pushfq
        or      dword [rsp], 0x100      ; TF
        popfq
        mov     ss, r8d
        enter_kernel
        survived

section .rodata
text:   db      "stepped", 10
