; clflush.asm: push a line of the kernel's out of the caches.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     rax, KERNEL
        clflush [rax]
        survived
