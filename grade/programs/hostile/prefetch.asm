; prefetch.asm: prefetch the kernel, which faults never, whatever the address.
; Prints: no harm
; Ends: exit 0
%include "hostile.inc"

main:
        mov     rax, KERNEL
        prefetcht0 [rax]
        mov     rax, 1 << 47
        prefetcht0 [rax]
        say     "no harm"
        quit    0
