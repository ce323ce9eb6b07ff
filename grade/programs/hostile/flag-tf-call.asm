; flag-tf-call.asm: step into the kernel.
; Prints: stepped
; Ends: SIGTRAP
%include "hostile.inc"

main:
        mov     eax, 1
        mov     edi, 1
        lea     rsi, [text]
        mov     edx, 8
        pushfq
        or      dword [rsp], 0x100      ; TF
        popfq
        enter_kernel
        survived

section .rodata
text:   db      "stepped", 10
