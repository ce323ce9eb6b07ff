; clflush.asm: push a line of the kernel's out of the caches.
; Prints: survived
; Ends: exit 99
%include "hostile.inc"

main:
        mov     rax, KERNEL
        clflush [rax]
        survived
