; clean-bases.asm: look for bases of FS and GS that the kernel, or the program before, has left.
; Labs: 4
; Prints: nothing found
; Ends: exit 0
%include "hostile.inc"

main:
        mov     eax, 158                ; arch_prctl
        mov     edi, 0x1003             ; ARCH_GET_FS
        lea     rsi, [base]
        enter_kernel
        cmp     qword [base], 0
        jne     .found
        mov     qword [base], -1
        mov     eax, 158
        mov     edi, 0x1004             ; ARCH_GET_GS
        lea     rsi, [base]
        enter_kernel
        cmp     qword [base], 0
        jne     .found
        say     "nothing found"
        quit    0
.found: quit    1

section .data
base:   dq      -1
